// A conversation between a daemon and a plugin, as a file of JSON lines: one a call, in the order in which they were made.

import { readFileSync } from "node:fs";
import { errorMessage } from "../../../util/errors.ts";

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface Call {
  /** When it was made. */
  readonly time: string;
  /** `NetworkDriver.Join` */
  readonly method: string;
  /** Null: it had no body. Text where that was no JSON, here as in `response`. */
  readonly request: Json;
  /** 0: the plugin could not be reached, or broke off. */
  readonly status: number;
  readonly response: Json;
  readonly durationMs: number;
}

/** What a body says. */
export function readBody(body: string): Json {
  if (body.trim() === "") return null;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

/** The calls of a file, in their order. @throws when a line is none */
export function readConversation(path: string): readonly Call[] {
  const lines = readFileSync(path, "utf8").split("\n");
  const calls = lines.flatMap((line, at) =>
    line.trim() === "" ? [] : [parseCall(line, `${path}:${at + 1}`)],
  );
  if (calls.length === 0) throw new Error(`${path}: there are no calls in it`);
  // a call that took long stands behind those that it was made before
  return calls.toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time));
}

function parseCall(line: string, where: string): Call {
  let value: Partial<Call>;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new Error(`${where}: ${errorMessage(error)}`);
  }
  const { time = "", method, request = null, status, response = null, durationMs = 0 } = value ?? {};
  if (typeof method !== "string" || typeof status !== "number" || Number.isNaN(Date.parse(time)))
    throw new Error(`${where}: no call: time, method and status are needed`);
  return { time, method, request, status, response, durationMs };
}

/** Under this key, in whatever case it is written. */
export function member(value: Json, key: string): Json | undefined {
  if (!isObject(value)) return undefined;
  const own = Object.keys(value).find((name) => name.toLowerCase() === key.toLowerCase());
  return own === undefined ? undefined : value[own];
}

export function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The words of a refusal: `Err` of network drivers, `Error` of IPAM drivers; undefined: it is none. */
export function refusalOf({ status, response }: Pick<Call, "status" | "response">): string | undefined {
  const text = member(response, "Err") || member(response, "Error");
  if (typeof text === "string" && text !== "") return text;
  if (status === 200) return undefined;
  return typeof response === "string" && response !== "" ? response.trim() : `status ${status}`;
}
