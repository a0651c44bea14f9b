// Connections that nobody made: entries put into the kernel's table, as many as a test wants.

import {
  Encoder,
  netlinkProtocol,
  nlmFlag,
  openNetlinkSocket,
  type Request,
} from "../../../src/kernel/index.ts";
import { type Address, addressBytes } from "../../../src/netip/index.ts";
import { address } from "../../conformance/firewall/lab.ts";

const newEntry = 1 << 8; // IPCTNL_MSG_CT_NEW
const lifetimeSeconds = 600;

/** Adds `count` flows of datagrams between machines elsewhere. */
export async function addUnrelated(netns: string, family: 4 | 6, count: number): Promise<void> {
  const client = address(family === 4 ? "203.0.113.1" : "2001:db8:c::1");
  await using socket = await openNetlinkSocket(netlinkProtocol.netfilter, netns);
  for (let at = 0; at < count; ) {
    const batch: Request[] = [];
    for (; batch.length < 1000 && at < count; at++) {
      const server = address(
        family === 4
          ? `198.51.${100 + (at >> 14)}.${(at >> 6) & 255}`
          : `2001:db8:d::${(at >> 6).toString(16)}`,
      );
      batch.push(entry(client, server, 2000 + (at & 63)));
    }
    await socket.send(batch);
  }
}

function entry(client: Address, server: Address, port: number): Request {
  const encoder = new Encoder().struct(Uint8Array.of(client.family === 4 ? 2 : 10, 0, 0, 0));
  tuple(encoder, 1, { from: client, to: server, fromPort: port, toPort: 443 });
  tuple(encoder, 2, { from: server, to: client, fromPort: 443, toPort: port });
  encoder.be32(7, lifetimeSeconds);
  const flags = nlmFlag.create | nlmFlag.exclusive | nlmFlag.ack;
  return { type: newEntry, flags, payload: encoder.finish(), words: "conntrack -I" };
}

interface Direction {
  readonly from: Address;
  readonly to: Address;
  readonly fromPort: number;
  readonly toPort: number;
}

function tuple(encoder: Encoder, type: number, { from, to, fromPort, toPort }: Direction): void {
  const base = from.family === 4 ? 1 : 3;
  encoder.nest(type, () => {
    encoder.nest(1, () => encoder.bytes(base, addressBytes(from)).bytes(base + 1, addressBytes(to)));
    encoder.nest(2, () => encoder.u8(1, 17).be16(2, fromPort).be16(3, toPort));
  });
}
