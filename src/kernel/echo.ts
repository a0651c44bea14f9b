// Echo requests (ping) by a socket of the kernel's own for them (`ping_prot` in net/ipv4/ping.c): it hears the replies to
// its requests and nothing else. Whoever has the address answers, without a process.

import { addon, bindOption } from "../../native/index.ts";
import { peerSize } from "../../native/splice.ts";
import { type Address, addressBytes, addressFromBytes } from "../netip/index.ts";
import {
  type DatagramBatch,
  datagramBatch,
  datagramIn,
  onReadable,
  peerOf,
  receiveDatagrams,
  sendDatagram,
} from "./datagrams.ts";
import { kernelError, saying } from "./errors.ts";
import { closeFd, sockType } from "./socket.ts";

export interface EchoReply {
  readonly from: Address;
  /** Of the request, 16 bits. */
  readonly sequence: number;
  /** Bytes of the IP packet. */
  readonly size: number;
}

export interface EchoRequest {
  readonly to: Address;
  readonly sequence: number;
  /** Bytes of the IP packet, which leaves in one piece or not at all. */
  readonly size: number;
}

export interface EchoSocket {
  /** What cannot be sent, because the link does not take it say, is lost like what nobody answers. */
  send(request: EchoRequest): void;
  /** May be called twice. */
  close(): void;
}

/** IP header and ICMP header (RFC 792, RFC 4443 4.1). */
export const leastEchoSize = { 4: 28, 6: 48 } as const;

const protocol = { 4: 1, 6: 58 } as const;
const requestType = { 4: 8, 6: 128 } as const;
const replyType = { 4: 0, 6: 129 } as const;
const icmpHeader = 8;
const largestReply = 65_536;

/**
 * Opens one in a namespace, whose `net.ipv4.ping_group_range` must have the group of this process, and tells `heard` of
 * replies. Rejects with KernelError: EACCES when it has not.
 */
export async function openEcho(
  { netns, family }: { readonly netns: string; readonly family: 4 | 6 },
  heard: (reply: EchoReply) => void,
): Promise<EchoSocket> {
  const binding = {
    netns,
    type: sockType.udp,
    protocol: protocol[family],
    address: new Uint8Array(family === 4 ? 4 : 16),
    port: 0,
    scope: 0,
    backlog: -1,
    options: bindOption.pathProbe,
  };
  const [fd] = await saying("open an echo socket", addon().socketsBind([binding]));
  if (typeof fd !== "number") throw kernelError("open an echo socket", fd);
  return new Echo(fd, family, heard);
}

class Echo implements EchoSocket {
  readonly #fd: number;
  readonly #family: 4 | 6;
  readonly #heard: (reply: EchoReply) => void;
  readonly #batch: DatagramBatch = datagramBatch(largestReply, 4);
  readonly #stopPoll: () => void;
  #isClosed = false;

  constructor(fd: number, family: 4 | 6, heard: (reply: EchoReply) => void) {
    this.#fd = fd;
    this.#family = family;
    this.#heard = heard;
    this.#stopPoll = onReadable(fd, () => this.#receive());
  }

  send({ to, sequence, size }: EchoRequest): void {
    if (this.#isClosed) return;
    // the kernel writes the identifier, which is the socket's, and the checksum
    const message = Buffer.alloc(Math.max(size - leastEchoSize[this.#family], 0) + icmpHeader);
    message[0] = requestType[this.#family];
    message.writeUInt16BE(sequence, 6);
    sendDatagram(this.#fd, message, peerBytes(to));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopPoll();
    closeFd(this.#fd);
  }

  #receive(): void {
    const batch = this.#batch;
    for (let count = this.#read(); count > 0; count = this.#read())
      for (let slot = 0; slot < count; slot++) {
        const message = datagramIn(batch, slot);
        if (!message || message.length < icmpHeader || message[0] !== replyType[this.#family]) continue;
        const size = message.length - icmpHeader + leastEchoSize[this.#family];
        this.#heard({ from: addressOfPeer(peerOf(batch, slot)), sequence: message.readUInt16BE(6), size });
      }
  }

  /** How many came; errors are of requests, which are lost then. */
  #read(): number {
    if (this.#isClosed) return 0;
    try {
      return receiveDatagrams(this.#fd, this.#batch);
    } catch {
      return 0;
    }
  }
}

/** AF_INET and AF_INET6, in the host's byte order as all of x86 and arm64 has it. */
const addressFamily = { 4: 2, 6: 10 } as const;

/** A sockaddr in a slot of the addon's, whose last byte is its length. */
function peerBytes(address: Address): Uint8Array {
  const bytes = Buffer.alloc(peerSize);
  bytes.writeUInt16LE(addressFamily[address.family], 0);
  bytes.set(addressBytes(address), address.family === 4 ? 4 : 8);
  bytes[peerSize - 1] = address.family === 4 ? 16 : 28;
  return bytes;
}

function addressOfPeer(bytes: Buffer): Address {
  const isIpv4 = bytes.readUInt16LE(0) === addressFamily[4];
  return addressFromBytes(isIpv4 ? bytes.subarray(4, 8) : bytes.subarray(8, 24));
}
