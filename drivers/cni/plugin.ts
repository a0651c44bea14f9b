// One run of one CNI plugin: its environment and configuration in, its answer or its error out.

import { constants } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Host, ProgramEnd } from "../../src/driverapi/index.ts";
import {
  EngineError,
  type ErrorKind,
  hasCode,
  internal,
  notFound,
  wrapError,
} from "../../src/util/errors.ts";
import { type Json, parseObject } from "./conf.ts";

export type Command = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** Where plugins are looked for, and how long one may take. */
export interface Place {
  readonly path: readonly string[];
  readonly timeoutMs: number;
}

/** Whose attachment a command is about. */
export interface Subject {
  readonly containerId: string;
  /** Path of its netns; "": that is gone. */
  readonly netns: string;
  readonly ifName: string;
  /** `KEY=value;…` */
  readonly args: string;
}

export interface Call {
  readonly command: Command;
  readonly type: string;
  /** What it reads. */
  readonly conf: Json;
  readonly subject?: Subject;
}

type Hands = Pick<Host, "programs">;

/**
 * Runs a plugin; undefined where it has nothing to say.
 * @throws not-found when there is no such plugin; else with the plugin's own words, its name in front
 */
export async function callPlugin(hands: Hands, place: Place, call: Call): Promise<Json | undefined> {
  const { command, type, conf, subject } = call;
  const file = await findPlugin(place.path, type);
  const end = await run(hands, file, {
    env: {
      CNI_COMMAND: command,
      CNI_PATH: place.path.join(":"),
      ...(subject && {
        CNI_CONTAINERID: subject.containerId,
        CNI_NETNS: subject.netns,
        CNI_IFNAME: subject.ifName,
        CNI_ARGS: subject.args,
      }),
    },
    stdin: JSON.stringify(conf),
    timeoutMs: place.timeoutMs,
  });
  if (end.code !== 0 || end.killedFor) throw failure(call, end, place);
  if (end.stdout.trim() === "") return undefined;
  const answer = parseObject(end.stdout);
  if (!answer) throw internal(`${titleOf(call)}: answered what is not a JSON object: ${excerpt(end.stdout)}`);
  return answer;
}

/** The versions of the specification that a plugin speaks. @throws as `callPlugin` */
export async function readVersions(hands: Hands, place: Place, type: string): Promise<readonly string[]> {
  const call = { command: "VERSION", type, conf: { cniVersion: "1.0.0" } } as const;
  const versions = (await callPlugin(hands, place, call))?.supportedVersions;
  if (!Array.isArray(versions)) throw internal(`${titleOf(call)}: does not say which versions it speaks`);
  return versions.map(String);
}

/** A plugin's file: in the first of the folders that has it. @throws not-found, with what is there */
export async function findPlugin(path: readonly string[], type: string): Promise<string> {
  for (const folder of path) {
    const file = join(folder, type);
    if (await isThere(file)) return file;
  }
  const lists = await Promise.all(path.map((folder) => readdir(folder).catch(() => [])));
  const present = [...new Set(lists.flat())].sort();
  const what = present.length > 0 ? `there are: ${present.join(", ")}` : "there is no plugin at all";
  throw notFound(`CNI plugin ${type} not found in ${path.join(":")}; ${what}`);
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "EACCES")) return false;
    throw error;
  }
}

async function run(
  { programs }: Hands,
  file: string,
  options: Parameters<Host["programs"]["run"]>[1],
): Promise<ProgramEnd> {
  try {
    return await programs.run(file, options);
  } catch (error) {
    throw wrapError(error, `run CNI plugin ${file}`);
  }
}

function failure(call: Call, end: ProgramEnd, { timeoutMs }: Place): Error {
  const title = titleOf(call);
  if (end.killedFor === "time")
    return internal(`${title}: killed, since it had not answered after ${timeoutMs / 1000} s`);
  if (end.killedFor) return internal(`${title}: killed, since it wrote without end`);
  const { code, msg, details } = parseObject(end.stdout) ?? {};
  if (typeof code === "number" && (typeof msg === "string" || typeof details === "string")) {
    const words = [msg, details].filter((text) => typeof text === "string" && text !== "").join(": ");
    return new EngineError(kindOf(code), `${title}: ${words || "failed"} (code ${code})`);
  }
  const how = end.signal ? `ended by ${end.signal}` : `exit ${end.code}`;
  const said = excerpt(end.stderr) || excerpt(end.stdout) || "without a word";
  return internal(`${title}: ${how}: ${said}`);
}

/** Well-known error codes of the specification. */
function kindOf(code: number): ErrorKind {
  switch (code) {
    // incompatible version, unsupported field, invalid environment, invalid network config
    case 1:
    case 2:
    case 4:
    case 7:
      return "invalid";
    // try again later; not available, and not available with containers cut off
    case 11:
    case 50:
    case 51:
      return "unavailable";
    default:
      return "internal";
  }
}

function titleOf({ type, command }: Pick<Call, "type" | "command">): string {
  return `CNI plugin ${type}: ${command}`;
}

/** The end of it is where programs say what is wrong. */
function excerpt(text: string): string {
  return text.trim().replaceAll(/\s+/g, " ").slice(-400);
}
