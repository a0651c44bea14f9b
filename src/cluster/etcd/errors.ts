// What etcd and gRPC say when a call fails, in kinds and words of ours, and what that means for trying again.

import { type ServiceError, status } from "@grpc/grpc-js";
import { EngineError, type ErrorKind, errorMessage } from "../../util/errors.ts";
import { kindOfStatus } from "../../util/grpc-kinds.ts";

/**
 * `elsewhere`: this member cannot do it now, another may. `soon`: no member can until they have chosen a leader.
 * `token`: the token is no longer known. `final`: no other member would answer otherwise.
 */
export type Retry = "elsewhere" | "soon" | "token" | "final";

/** A failed attempt at one member. */
export interface Failure {
  readonly kind: ErrorKind;
  readonly words: string;
  readonly retry: Retry;
  /** The member certainly did nothing. */
  readonly isUndone: boolean;
  /** It said nothing at all: the time ran out. */
  readonly isSilent?: true;
}

type Known = readonly [text: string, kind: ErrorKind, retry: Retry, isUndone: boolean, words?: string];

/** By etcd's own texts (api/v3rpc/rpctypes/error.go of 3.4), since its codes are shared by several. */
const known: readonly Known[] = [
  [
    "mvcc: database space exceeded",
    "unavailable",
    "final",
    true,
    "the store is out of space (alarm NOSPACE): compact and defragment its members, then disarm the alarm",
  ],
  ["corrupt cluster", "unavailable", "final", true, "the store says that it is damaged (alarm CORRUPT)"],
  ["invalid auth token", "unauthorized", "token", true, "the store no longer knows our token"],
  ["revision of auth store is old", "unauthorized", "token", true, "the store's users changed"],
  ["user name is empty", "unauthorized", "token", true, "the store wants a user and a password"],
  [
    "authentication failed, invalid user ID or password",
    "unauthorized",
    "final",
    true,
    "the store does not know this user with this password",
  ],
  ["permission denied", "forbidden", "final", true, "the store does not permit this to our user"],
  ["no leader", "unavailable", "soon", true, "the store's members have no leader"],
  ["not leader", "unavailable", "soon", true],
  ["leader changed", "unavailable", "soon", false, "the store's leader changed"],
  ["request timed out", "unavailable", "soon", false, "the store's members did not agree in time"],
  ["too many requests", "unavailable", "soon", true, "the store has too much to do"],
  ["server stopped", "unavailable", "elsewhere", true],
  ["rpc not supported for learner", "unavailable", "elsewhere", true],
  ["request is too large", "invalid", "final", true, "the record is larger than the store takes"],
  ["unhealthy cluster", "unavailable", "soon", true, "too few of the store's members are healthy"],
];

/** Reads what a call failed with. */
export function readFailure(error: unknown): Failure {
  const { code, details } = error as Partial<ServiceError>;
  const text = typeof details === "string" && details !== "" ? details : errorMessage(error);
  const entry = known.find(([part]) => text.startsWith("etcdserver: ") && text.includes(part));
  if (entry) {
    const [, kind, retry, isUndone, words = text] = entry;
    return { kind, words, retry, isUndone };
  }
  if (text.startsWith("No connection established")) return readNoConnection(text);
  if (code === status.DEADLINE_EXCEEDED)
    return {
      kind: "unavailable",
      words: "no answer in time",
      retry: "elsewhere",
      isUndone: false,
      isSilent: true,
    };
  const kind = kindOfStatus(code) ?? "unavailable";
  if (kind === "unavailable") return { kind, words: text, retry: "elsewhere", isUndone: false };
  return { kind, words: text, retry: "final", isUndone: true };
}

/** A member that was not reached in the time an attempt has. */
export function notReached(timeoutMs: number): Failure {
  const words = `no connection within ${timeoutMs} ms`;
  return { kind: "unavailable", words, retry: "elsewhere", isUndone: true, isSilent: true };
}

/** A connection that has another one in its place since the call began. */
export function replaced(): Failure {
  return { kind: "unavailable", words: "the connection was replaced", retry: "soon", isUndone: true };
}

/** What was tried, where, and why it failed. */
export function failureError(doing: string, member: string, failure: Failure, cause: unknown): EngineError {
  return new EngineError(failure.kind, `${doing}: ${failure.words} (etcd at ${member})`, { cause });
}

/** For what gRPC says of a connection that ended without a system's reason. */
const plainWords: Readonly<Record<string, string>> = {
  null: "no connection",
  "Failed to connect":
    "the connection is closed at once: it may want TLS (kv.cacertfile, kv.certfile, kv.keyfile), or be no etcd",
};

/** gRPC's text is "No connection established. Last error: <reason> (<time>)", with notes behind. */
function readNoConnection(text: string): Failure {
  const reason = /Last error: (?:Error: )?(.*?)(?:\. Resolution note:.*)?$/s.exec(text)?.[1] ?? text;
  const words = reason.replace(/\s*\(\d{4}-\d\d-\d\dT[^)]*\)/g, "").trim();
  const isAboutTrust = /certificate|alert (?:bad|unknown|handshake|access)|self.signed|altname/i.test(words);
  return {
    kind: isAboutTrust ? "unauthorized" : "unavailable",
    words: plainWords[words] ?? words,
    retry: "elsewhere",
    isUndone: true,
  };
}
