// A route is data: method, path, and what answers it. server.ts serves them; no route knows the web framework.

import type { Call } from "./call.ts";

export type Method = "GET" | "POST" | "PUT" | "DELETE" | "HEAD";

export interface Route {
  readonly method: Method;
  /** With `:name` for one part and a final `*` for the rest. */
  readonly path: string;
  /** A thrown EngineError becomes the answer. */
  handle(call: Call): Promise<Answer> | Answer;
}

/** What is sent back; "streamed": the route has written its answer itself. */
export type Answer = Reply | "streamed";

export interface Reply {
  readonly status: number;
  /** Sent as JSON; undefined: no body. */
  readonly body?: unknown;
  /** Sent as it is, instead of a JSON body. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Handle = Route["handle"];

export const get = (path: string, handle: Handle): Route => ({ method: "GET", path, handle });
export const post = (path: string, handle: Handle): Route => ({ method: "POST", path, handle });
export const put = (path: string, handle: Handle): Route => ({ method: "PUT", path, handle });
export const remove = (path: string, handle: Handle): Route => ({ method: "DELETE", path, handle });
export const head = (path: string, handle: Handle): Route => ({ method: "HEAD", path, handle });

export const ok = (body: unknown): Reply => ({ status: 200, body });
export const created = (body: unknown): Reply => ({ status: 201, body });
export const done: Reply = { status: 200 };
export const noContent: Reply = { status: 204 };
export const streamed: Answer = "streamed";
