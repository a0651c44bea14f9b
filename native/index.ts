// The native addon: moves bytes and file descriptors between JavaScript and Linux, knows no message. What it rejects
// with or throws carries `errno` (positive), `code` ("EEXIST"), `syscall` and its `subject`. Loaded at the first use, not at import.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Bits of `Binding.options`; socket.cc has the same. */
export const bindOption = {
  reuseAddress: 1,
  reusePort: 2,
  dualStack: 4,
  freeBind: 8,
  packetInfo: 16,
  transparent: 32,
  blocking: 64,
  overTimeWait: 128,
  pathProbe: 256,
} as const;

/** A socket to open and bind. */
export interface Binding {
  /** Path of a netns file; undefined = the process's own. */
  readonly netns: string | undefined;
  /** SOCK_STREAM = 1, SOCK_DGRAM = 2. */
  readonly type: number;
  readonly protocol: number;
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
  /** Interface index, for link-local IPv6 addresses; else 0. */
  readonly scope: number;
  /** Below 0: do not listen. */
  readonly backlog: number;
  /** Bits of `bindOption`. */
  readonly options: number;
}

/** `poll` events. */
export const readable = 1;
export const writable = 2;

/** The functions of the .node file. An fd belongs to whoever received it. */
export interface Addon {
  /** A netlink socket, opened in a namespace; `groups` are multicast group numbers to join. */
  netlinkOpen(protocol: number, netns: string | undefined, groups: readonly number[]): Promise<number>;
  /**
   * Sends `bytes` at once and resolves with all messages that answer, back to back, up to the acknowledgement, error
   * or end of dump of `lastSequence`, or to the last there is. `fds` is [offset, path, …]: each path is opened for the
   * exchange and its fd number written at the offset. Exchanges of one socket are in order, those of several side by side.
   */
  netlinkExchange(
    fd: number,
    bytes: Uint8Array,
    lastSequence: number,
    fds: readonly (number | string)[],
  ): Promise<Buffer>;
  /** Closes after all exchanges asked for before. */
  netlinkClose(fd: number): Promise<void>;
  /** What waits on an event socket (at most 64 datagrams); undefined when nothing. Throws ENOBUFS when events were lost, and then drops the rest. */
  netlinkReceive(fd: number): Buffer | undefined;

  netnsCreate(path: string): Promise<void>;
  netnsRemove(path: string): Promise<void>;
  netnsFolderRemove(folder: string): Promise<void>;
  /** [path, text, …]: writes the text, or reads where it is undefined, in order, inside the namespace. */
  netnsFiles(netns: string | undefined, files: readonly (string | undefined)[]): Promise<string[]>;

  socketsBind(bindings: readonly Binding[]): Promise<(number | Error)[]>;
  /** On the calling thread; throws for a binding with a netns. */
  socketsBindNow(bindings: readonly Binding[]): (number | Error)[];
  /**
   * Binds the ports from `binding.port` to `last` at each of the addresses, all or none, and parks them; a descriptor
   * for each batch of ⌊250 / addresses⌋ ports. What failed first: its error, port and address (index).
   */
  socketsPark(
    binding: Binding,
    addresses: readonly Uint8Array[],
    last: number,
  ): Promise<{ fds: number[]; error?: Error; port?: number; address?: number }>;
  /** Parks copies of at most 250 descriptors, which stay open until the one that it answers with is closed. */
  fdsPark(fds: readonly number[]): number;
  /** Copies of what is parked, in order. */
  fdsParked(batch: number): number[];
  /** Where a socket is bound. */
  socketAddress(fd: number): { address: Buffer; port: number };

  unixListen(path: string): number;
  unixConnect(path: string): number;
  unixPair(): [number, number];
  unixAccept(fd: number): number | undefined;
  /** False when the socket is full: wait until it is writable. */
  fdsSend(socket: number, bytes: Uint8Array, fds: readonly number[]): boolean;
  /** Undefined when nothing waits; empty bytes and no fds at the end. */
  fdsReceive(socket: number): { bytes: Buffer; fds: number[]; truncated: boolean } | undefined;
  fdClose(fd: number): void;

  pollStart(fd: number, events: number, ready: (events: number) => void): number;
  pollEvents(id: number, events: number): void;
  /** Idempotent; must come before the fd is closed. */
  pollStop(id: number): void;

  /** A descriptor that is readable after somebody has closed the file, or removed it. */
  fileWatch(path: string): number;
  /** Forgets what it has told of. False: the file is gone and no more is told. */
  fileWatchTake(watch: number): boolean;

  mount(source: string, target: string, type: string, flags: number, data: string): Promise<void>;
  unmount(target: string, flags: number): Promise<void>;
  setChildSubreaper(on: boolean): void;
  /** -1 = unlimited. */
  openFileLimit(): { soft: number; hard: number };
  setOpenFileLimit(soft: number): void;
  makeFifo(path: string, mode: number): void;

  /**
   * bpf(2): `pointers` is [offset, bytes, …], the address of each written into the attributes at its offset. The kernel
   * reads all of them, and writes its answers there, while the call lasts. Answers what the call does.
   */
  bpf(command: number, attributes: Uint8Array, pointers: readonly (number | Uint8Array)[]): number;
  /** The same inside a namespace, on another thread: answers the attributes and the bytes as they are afterwards. */
  bpfIn(
    netns: string,
    command: number,
    attributes: Uint8Array,
    pointers: readonly (number | Uint8Array)[],
  ): Promise<readonly Buffer[]>;
}

// A memo of what require() caches anyway: the search for the file is not repeated at each call.
let loaded: Addon | undefined;

/** The addon. Throws when it was not built. */
export function addon(): Addon {
  loaded ??= createRequire(import.meta.url)(addonPath()) as Addon;
  return loaded;
}

/** TSDOCKER_ADDON, or build/Release/tsdocker.node in the nearest folder above this file (or the bundle it is in). */
function addonPath(): string {
  const named = process.env.TSDOCKER_ADDON;
  if (named) return named;
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start, depth = 0; depth < 16; folder = dirname(folder), depth++) {
    const path = join(folder, "build/Release/tsdocker.node");
    if (existsSync(path)) return path;
  }
  throw new Error(`load the native addon: no build/Release/tsdocker.node above ${start}: run scripts/setup`);
}
