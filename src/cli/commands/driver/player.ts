// Plays one side of a recorded conversation: the daemon's against a plugin, or the plugin's towards a daemon.

import { randomBytes } from "node:crypto";
import { errorMessage, hasCode } from "../../../util/errors.ts";
import { differences } from "./compare.ts";
import { type Call, isObject, type Json, readBody } from "./conversation.ts";
import { idKeys, Mapping, mayDiffer } from "./mapping.ts";
import { askPlugin, listenAsPlugin } from "./sockets.ts";

export interface Played {
  readonly call: Call;
  readonly durationMs: number;
  /** In words; none: it is as it was. */
  readonly differences: readonly string[];
}

export interface PlayOptions {
  readonly socket: string;
  /** Path of a netns that stands for every sandbox of the recording. */
  readonly sandbox?: string;
}

/** Makes the calls one after the other, with ids that are new, and compares the answers. @throws when nobody listens */
export async function* playAgainst(
  calls: readonly Call[],
  { socket, sandbox }: PlayOptions,
): AsyncGenerator<Played> {
  const mapping = new Mapping();
  for (const call of calls) {
    // a call that the plugin never answered says nothing of what it should answer
    if (call.status === 0) continue;
    renew(call.request, mapping, sandbox);
    const begun = performance.now();
    const now = await askNow(socket, call, mapping);
    const durationMs = performance.now() - begun;
    yield { call, durationMs, differences: differences(call, now, mapping) };
  }
}

async function askNow(socket: string, call: Call, mapping: Mapping) {
  const body = call.request === null ? "" : JSON.stringify(mapping.apply(call.request));
  try {
    const { status, body: text } = await askPlugin(socket, { method: call.method, body });
    return { status, response: readBody(text) };
  } catch (error) {
    if (error instanceof Error && hasCode(error.cause, "ENOENT", "ECONNREFUSED"))
      throw new Error(`${call.method}: nobody listens on ${socket}`, { cause: error });
    return { status: 0, response: errorMessage(error) };
  }
}

/** New ids for those that come up for the first time: a plugin may remember the old ones. */
function renew(request: Json, mapping: Mapping, sandbox: string | undefined): void {
  if (!isObject(request)) return;
  for (const [key, value] of Object.entries(request)) {
    if (typeof value !== "string" || value === "" || mapping.has(value)) continue;
    if (idKeys.includes(key.toLowerCase()))
      mapping.set(
        value,
        randomBytes(Math.ceil(value.length / 2))
          .toString("hex")
          .slice(0, value.length),
      );
    if (key.toLowerCase() === "sandboxkey" && sandbox !== undefined) mapping.set(value, sandbox);
  }
}

export interface ServeOptions {
  readonly listen: string;
  /** Told of each call: whether the recording had an answer. */
  readonly onCall?: (method: string, isKnown: boolean) => void;
}

/** Answers a daemon as the plugin did: each call by the first one of the recording that is like it and not used yet. */
export async function playPlugin(
  calls: readonly Call[],
  { listen, onCall }: ServeOptions,
): Promise<{ close(): Promise<void> }> {
  const mapping = new Mapping();
  const used = new Set<Call>();
  return await listenAsPlugin(listen, async ({ method, body }) => {
    const known = calls.filter((call) => call.method === method && call.status !== 0);
    const request = readBody(body);
    const fresh = known.filter((call) => !used.has(call));
    // asked more often than it was: as the last time
    const call = fresh.find((each) => isAbout(each.request, request, mapping)) ?? fresh[0] ?? known.at(-1);
    onCall?.(method, call !== undefined);
    if (!call) return { status: 404, body: JSON.stringify({ Err: `${method}: not in the recording` }) };
    used.add(call);
    learn("", call.request, request, mapping);
    const answer =
      typeof call.response === "string" ? call.response : JSON.stringify(mapping.apply(call.response));
    return { status: call.status, body: answer };
  });
}

/** Whether all ids that are known mean the same. */
function isAbout(recorded: Json, now: Json, mapping: Mapping): boolean {
  if (!isObject(recorded) || !isObject(now)) return recorded === now;
  return idKeys.every((idKey) => {
    const key = Object.keys(recorded).find((name) => name.toLowerCase() === idKey);
    const id = key === undefined ? undefined : recorded[key];
    if (typeof id !== "string" || key === undefined) return true;
    return !mapping.has(id) || mapping.of(id) === now[key];
  });
}

/** What the daemon says now where it said something else then. */
function learn(key: string, recorded: Json, now: Json, mapping: Mapping): void {
  if (typeof recorded === "string" && typeof now === "string") {
    const isOther = recorded !== now && (mayDiffer(key, recorded, now) || key === "SandboxKey");
    if (isOther) mapping.set(recorded, now);
  } else if (Array.isArray(recorded) && Array.isArray(now)) {
    for (const [at, each] of recorded.entries())
      if (at < now.length) learn(key, each, now[at] ?? null, mapping);
  } else if (isObject(recorded) && isObject(now)) {
    for (const [name, each] of Object.entries(recorded)) learn(name, each, now[name] ?? null, mapping);
  }
}
