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
  sendDatagram,
} from "../kernel/datagrams.ts";
import { bindSocket, bindSocketsNow, closeFd, type SocketSpec } from "../kernel/socket.ts";
import type { Asked, Asker, ServerAddress } from "./upstream.ts";

const socketsEach = 4;
const queriesPerSocket = 1000;
const idleMs = 30_000;

interface Pending {
  readonly query: Query;
  readonly settle: (asked: Asked) => void;
}

/** The sockets towards one server. */
export class UdpAsker implements Asker {
  readonly #server: ServerAddress;
  readonly #batch: DatagramBatch;
  #sockets = new Map<number, Promise<AskingSocket>>();
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `batch` is shared by all sockets of the process. */
  constructor(server: ServerAddress, batch: DatagramBatch) {
    this.#server = server;
    this.#batch = batch;
  }

  ask(query: Query, settle: (asked: Asked) => void): () => void {
    let cancel: (() => void) | undefined;
    let isCancelled = false;
    this.#socket().then(
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

  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  #drop(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    const sockets = this.#sockets;
    this.#sockets = new Map();
    for (const socket of sockets.values()) void socket.then((open) => open.retire()).catch(() => undefined);
  }

  /** One of a few, at random. */
  #socket(): Promise<AskingSocket> {
    this.#idle ??= setTimeout(() => this.#drop(), idleMs).unref();
    this.#idle.refresh();
    const at = randomInt(socketsEach);
    const present = this.#sockets.get(at);
    if (present) return present;
    const opened: Promise<AskingSocket> = this.#open(() => {
      if (this.#sockets.get(at) === opened) this.#sockets.delete(at);
    });
    this.#sockets.set(at, opened);
    return opened;
  }

  async #open(forget: () => void): Promise<AskingSocket> {
    try {
      const socket = new AskingSocket(await openSocket(this.#server), this.#batch, forget);
      if (this.#isClosed) socket.retire();
      return socket;
    } catch (error) {
      forget(); // the next query tries again
      throw error;
    }
  }
}

async function openSocket({ netns, address, port }: ServerAddress): Promise<number> {
  const any = { family: address.family, value: 0n };
  const spec: SocketSpec = { protocol: "udp", address: any, port: 0 };
  const fd = netns === undefined ? bindSocketsNow([spec])[0] : await bindSocket({ ...spec, netns });
  if (fd === undefined) throw new Error("open a socket: no descriptor");
  try {
    connectSocket(fd, address, port);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

class AskingSocket {
  readonly #fd: number;
  readonly #batch: DatagramBatch;
  readonly #forget: () => void;
  readonly #stopReading: () => void;
  readonly #pending = new Map<number, Pending>();
  #asked = 0;
  #isRetired = false;
  #isOpen = true;

  constructor(fd: number, batch: DatagramBatch, forget: () => void) {
    this.#fd = fd;
    this.#batch = batch;
    this.#forget = forget;
    this.#stopReading = onReadable(fd, () => this.#receive());
  }

  ask(query: Query, settle: (asked: Asked) => void): () => void {
    const id = this.#freeId();
    this.#pending.set(id, { query, settle });
    const bytes = Buffer.from(query.bytes);
    bytes.writeUInt16BE(id, 0);
    if (this.#isOpen) sendDatagram(this.#fd, bytes);
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
    closeFd(this.#fd);
  }
}
