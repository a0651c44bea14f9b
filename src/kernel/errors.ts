// What the kernel refused, in the words of what was tried. Test `code`, never the text.

import os from "node:os";
import { hasCode } from "../util/errors.ts";
import type { Request } from "./request.ts";

/** A failed system call or kernel request: "bind 192.0.2.1:80/tcp: address already in use". */
export class KernelError extends Error {
  /** "EADDRINUSE". */
  readonly code: string;
  /** Positive. */
  readonly errno: number;

  constructor(words: string, errno: number, detail?: string) {
    super([words, errorText(errno), ...(detail ? [detail] : [])].join(": "));
    this.name = "KernelError";
    this.errno = errno;
    this.code = errorCode(errno);
  }
}

/** A netlink request that the kernel refused: "ip link add br0 type bridge: file exists[: the kernel's own message]". */
export class NetlinkError extends KernelError {
  readonly request: Request;

  constructor(request: Request, errno: number, detail?: string) {
    super(request.words, errno, detail);
    this.name = "NetlinkError";
    this.request = request;
  }
}

/** The result of `work`, or undefined where it fails with one of the codes that mean "gone already". */
export async function unless<T>(codes: readonly string[], work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasCode(error, ...codes)) return undefined;
    throw error;
  }
}

/** The addon's error in the caller's words; a namespace that could not be entered is named. */
export function kernelError(words: string, error: unknown): Error {
  if (!(error instanceof Error)) return new Error(`${words}: ${String(error)}`);
  const { errno, syscall, subject } = error as Error & {
    errno?: unknown;
    syscall?: unknown;
    subject?: unknown;
  };
  if (typeof errno !== "number") return error;
  const place =
    (syscall === "open" || syscall === "setns") && typeof subject === "string" ? subject : undefined;
  return new KernelError(words, errno, place && !words.includes(place) ? `${syscall} ${place}` : undefined);
}

/** `work` with its addon error put in the caller's words. */
export async function saying<T>(words: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw kernelError(words, error);
  }
}

/** The same for a call that does not wait. */
export function sayingNow<T>(words: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw kernelError(words, error);
  }
}

/** "EEXIST" for 17; "E524" for numbers without a name (the kernel leaks a few of its own, linux/errno.h). */
export function errorCode(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** Linux has several names for some numbers; these are the ones its own code says. */
const preferred = ["EAGAIN", "EOPNOTSUPP"];

const names: ReadonlyMap<number, string> = new Map([
  ...Object.entries(os.constants.errno).map(([name, number]) => [number, name] as const),
  ...preferred.map((name) => [os.constants.errno[name as "EAGAIN"], name] as const),
  [85, "ERESTART"],
  [524, "ENOTSUPP"],
]);

// strerror(3) in lower case, for what netlink, sockets and mounts answer
const texts: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "cannot assign requested address",
  EAFNOSUPPORT: "address family not supported by protocol",
  EAGAIN: "resource temporarily unavailable",
  EBADF: "bad file descriptor",
  EBUSY: "device or resource busy",
  ECONNREFUSED: "connection refused",
  EEXIST: "file exists",
  EHOSTUNREACH: "no route to host",
  EINVAL: "invalid argument",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  EMFILE: "too many open files",
  EMLINK: "too many links",
  EMSGSIZE: "message too long",
  ENAMETOOLONG: "file name too long",
  ENETDOWN: "network is down",
  ENETUNREACH: "network is unreachable",
  ENFILE: "too many open files in system",
  ENOBUFS: "no buffer space available",
  ENODEV: "no such device",
  ENOENT: "no such file or directory",
  ENOMEM: "cannot allocate memory",
  ENOSPC: "no space left on device",
  ENOTCONN: "transport endpoint is not connected",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
  ENOTSUPP: "not supported",
  ENXIO: "no such device or address",
  EOPNOTSUPP: "operation not supported",
  EPERM: "operation not permitted",
  EPROTONOSUPPORT: "protocol not supported",
  ERANGE: "numerical result out of range",
  EROFS: "read-only file system",
  ESRCH: "no such process",
};

/** strerror in lower case; the code itself where there is no better text. */
export function errorText(errno: number): string {
  const code = errorCode(errno);
  return texts[code] ?? code;
}
