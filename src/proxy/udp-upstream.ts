// Asks one name server over UDP, through sockets that are kept: opened in the right namespace once, connected (so the
// kernel drops what others send), each used for a while only, so that neither id nor source port can be guessed.

import { randomInt } from "node:crypto";
import { answersQuery, type Query } from "../dns/index.ts";
import {
  connectSocket,
  type DatagramBatch,
  datagramIn,
  onReadable,
  receiveDatagrams,
} from "../kernel/datagrams.ts";
import { bindSocket, bindSocketsNow, closeFd, type SocketSpec } from "../kernel/socket.ts";
import { Outbox } from "./outbox.ts";
import { linkOf } from "./server-link.ts";
import type { Asked, Asker, ServerAddress } from "./upstream.ts";

const socketsEach = 4;
const queriesPerSocket = 1000;
const idleMs = 30_000;

interface Pending {
  readonly query: Query;
  readonly settle: (asked: Asked) => void;
}

/** Memory that all sockets of a process share. */
export interface AskingBatches {
  readonly incoming: DatagramBatch;
  readonly outgoing: DatagramBatch;
}

/** The sockets towards one server. */
export class UdpAsker implements Asker {
  readonly #server: ServerAddress;
  readonly #batches: AskingBatches;
  #sockets = new Map<number, AskingSocket | Promise<AskingSocket>>();
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(server: ServerAddress, batches: AskingBatches) {
    this.#server = server;
    this.#batches = batches;
  }

  ask(query: Query, settle: (asked: Asked) => void): () => void {
    const socket = this.#socket();
    return socket instanceof AskingSocket ? socket.ask(query, settle) : askLater(socket, query, settle);
  }

  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  #drop(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    const sockets = this.#sockets;
    this.#sockets = new Map();
    for (const socket of sockets.values()) {
      if (socket instanceof AskingSocket) socket.retire();
      else void socket.then((open) => open.retire()).catch(() => undefined);
    }
  }

  /** One of a few, at random. */
  #socket(): AskingSocket | Promise<AskingSocket> {
    this.#idle ??= setTimeout(() => this.#drop(), idleMs).unref();
    this.#idle.refresh();
    const at = randomInt(socketsEach);
    const present = this.#sockets.get(at);
    if (present) return present;
    const opened = this.#open(at);
    this.#sockets.set(at, opened);
    return opened;
  }

  async #open(at: number): Promise<AskingSocket> {
    try {
      const socket: AskingSocket = new AskingSocket(await openSocket(this.#server), this.#batches, () => {
        if (this.#sockets.get(at) === socket) this.#sockets.delete(at);
      });
      if (this.#isClosed) socket.retire();
      else this.#sockets.set(at, socket);
      return socket;
    } catch (error) {
      this.#sockets.delete(at); // the next query tries again
      throw error;
    }
  }
}

function askLater(opening: Promise<AskingSocket>, query: Query, settle: (asked: Asked) => void): () => void {
  let cancel: (() => void) | undefined;
  let isCancelled = false;
  opening.then(
    (socket) => {
      if (!isCancelled) cancel = socket.ask(query, settle);
    },
    (error: unknown) => settle({ kind: "failed", reason: String(error) }),
  );
  return () => {
    isCancelled = true;
    cancel?.();
  };
}

async function openSocket(server: ServerAddress): Promise<number> {
  const { netns, address, port } = server;
  const link = await linkOf(server);
  const any = { family: address.family, value: 0n };
  const spec: SocketSpec = { protocol: "udp", address: any, port: 0 };
  const fd = netns === undefined ? bindSocketsNow([spec])[0] : await bindSocket({ ...spec, netns });
  if (fd === undefined) throw new Error("open a socket: no descriptor");
  try {
    connectSocket(fd, address, port, link);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

class AskingSocket {
  readonly #fd: number;
  readonly #batch: DatagramBatch;
  readonly #outbox: Outbox;
  readonly #forget: () => void;
  readonly #stopReading: () => void;
  readonly #pending = new Map<number, Pending>();
  #asked = 0;
  #isRetired = false;
  #isOpen = true;

  constructor(fd: number, { incoming, outgoing }: AskingBatches, forget: () => void) {
    this.#fd = fd;
    this.#batch = incoming;
    this.#outbox = new Outbox(fd, outgoing);
    this.#forget = forget;
    this.#stopReading = onReadable(fd, () => this.#receive());
  }

  ask(query: Query, settle: (asked: Asked) => void): () => void {
    const id = this.#freeId();
    this.#pending.set(id, { query, settle });
    const bytes = Buffer.from(query.bytes);
    bytes.writeUInt16BE(id, 0);
    if (this.#isOpen) this.#outbox.put(bytes);
    if (++this.#asked === queriesPerSocket) this.retire();
    return () => {
      this.#pending.delete(id);
      this.#closeWhenDone();
    };
  }

  /** Takes no more questions and closes with its last answer. */
  retire(): void {
    if (!this.#isRetired) this.#forget();
    this.#isRetired = true;
    this.#closeWhenDone();
  }

  #freeId(): number {
    let id = randomInt(65536);
    while (this.#pending.has(id)) id = (id + 1) & 0xffff; // at most `queriesPerSocket` are taken
    return id;
  }

  #receive(): void {
    try {
      const count = receiveDatagrams(this.#fd, this.#batch, true);
      for (let slot = 0; slot < count; slot++) {
        const bytes = datagramIn(this.#batch, slot);
        if (bytes) this.#answer(bytes);
      }
    } catch (error) {
      // an ICMP error: the port is closed or the host unreachable, so for every question that waits
      for (const { settle } of [...this.#pending.values()]) settle({ kind: "failed", reason: String(error) });
      this.#pending.clear();
    }
    this.#closeWhenDone();
  }

  #answer(bytes: Buffer): void {
    const id = bytes.length >= 12 ? bytes.readUInt16BE(0) : -1;
    const pending = this.#pending.get(id);
    if (!pending || !answersQuery(bytes, id, pending.query)) return;
    this.#pending.delete(id);
    pending.settle({ kind: "answered", response: Buffer.from(bytes) });
  }

  #closeWhenDone(): void {
    if (!this.#isRetired || this.#pending.size > 0 || !this.#isOpen) return;
    this.#isOpen = false;
    this.#stopReading();
    this.#outbox.flush();
    closeFd(this.#fd);
  }
}
