// Dockerfile instructions that change a configuration alone, as `docker import --change` and `docker commit --change`
// take them.

import { invalid } from "../util/errors.ts";
import type { ExecutionConfig, Healthcheck } from "./oci.ts";

type Change = (config: ExecutionConfig, rest: string) => ExecutionConfig;

/** Applies instructions in order; throws invalid on one that is unknown or malformed. */
export function applyChanges(config: ExecutionConfig, instructions: readonly string[]): ExecutionConfig {
  return instructions
    .flatMap((text) => text.split("\n"))
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .reduce(applyChange, config);
}

function applyChange(config: ExecutionConfig, line: string): ExecutionConfig {
  const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
  const change = changes[word.toUpperCase()];
  if (!change) throw invalid(`${word.toLowerCase()} is not a valid change command`);
  if (rest === "" && word.toUpperCase() !== "CMD")
    throw invalid(`${word.toUpperCase()} requires at least one argument`);
  return change(config, rest);
}

const changes: Readonly<Record<string, Change>> = {
  CMD: (config, rest) => ({ ...config, Cmd: command(rest, config) }),
  ENTRYPOINT: (config, rest) => ({ ...config, Entrypoint: command(rest, config) }),
  ENV: (config, rest) => ({ ...config, Env: setEnv(config.Env ?? [], pairs(rest, "ENV")) }),
  EXPOSE: (config, rest) => ({ ...config, ExposedPorts: { ...config.ExposedPorts, ...ports(rest) } }),
  HEALTHCHECK: (config, rest) => ({ ...config, Healthcheck: healthcheck(rest) }),
  LABEL: (config, rest) => ({
    ...config,
    Labels: { ...config.Labels, ...Object.fromEntries(pairs(rest, "LABEL")) },
  }),
  ONBUILD: (config, rest) => ({ ...config, OnBuild: [...(config.OnBuild ?? []), rest] }),
  SHELL: (config, rest) => ({
    ...config,
    Shell: jsonList(rest) ?? fail("SHELL requires the arguments to be in JSON form"),
  }),
  STOPSIGNAL: (config, rest) => ({ ...config, StopSignal: rest }),
  USER: (config, rest) => ({ ...config, User: rest }),
  VOLUME: (config, rest) => ({ ...config, Volumes: { ...config.Volumes, ...volumes(rest) } }),
  WORKDIR: (config, rest) => ({ ...config, WorkingDir: workdir(config.WorkingDir, rest) }),
};

/** JSON is taken as it is; anything else goes through the image's shell. */
function command(rest: string, { Shell }: ExecutionConfig): readonly string[] {
  if (rest === "") return [];
  return jsonList(rest) ?? [...(Shell ?? ["/bin/sh", "-c"]), rest];
}

function jsonList(text: string): readonly string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : undefined;
  } catch {
    return undefined; // then it is the shell form, as with Docker
  }
}

/** `a=b c="d e"`, or in the old form one `a b c`. */
function pairs(rest: string, word: string): readonly (readonly [string, string])[] {
  const words = splitWords(rest);
  if (!words[0]?.includes("=")) {
    const [, name = "", value = ""] = /^(\S+)\s+(.+)$/s.exec(rest) ?? [];
    if (name === "") throw invalid(`${word} must have two arguments`);
    return [[name, value]];
  }
  return words.map((one) => {
    const at = one.indexOf("=");
    if (at <= 0) throw invalid(`syntax error - can't find = in "${one}". Must be of the form: name=value`);
    return [one.slice(0, at), one.slice(at + 1)] as const;
  });
}

/** Splits at blanks outside quotes; quotes and backslashes go away. */
function splitWords(text: string): readonly string[] {
  const words = text.match(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/gs) ?? [];
  return words.map((word) =>
    word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/gs, (_, double, single, escaped) =>
      double !== undefined ? String(double).replace(/\\(["\\$])/g, "$1") : (single ?? escaped ?? ""),
    ),
  );
}

function setEnv(env: readonly string[], values: readonly (readonly [string, string])[]): readonly string[] {
  const result = new Map(env.map((one) => [one.split("=", 1)[0] ?? "", one]));
  for (const [name, value] of values) result.set(name, `${name}=${value}`);
  return [...result.values()];
}

function ports(rest: string): Record<string, object> {
  const result: Record<string, object> = {};
  for (const word of splitWords(rest)) {
    const [, first = "", last, protocol = "tcp"] =
      /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
    const [from, to] = [Number(first), Number(last ?? first)];
    if (first === "" || from > to || to > 65_535) throw invalid(`invalid containerPort: ${word}`);
    for (let port = from; port <= to; port++) result[`${port}/${protocol.toLowerCase()}`] = {};
  }
  return result;
}

function volumes(rest: string): Record<string, object> {
  const paths = jsonList(rest) ?? splitWords(rest);
  if (paths.some((path) => path.trim() === "")) throw invalid("VOLUME specified can not be an empty string");
  return Object.fromEntries(paths.map((path) => [path, {}]));
}

function workdir(before: string | undefined, path: string): string {
  return path.startsWith("/") ? path : `${(before || "/").replace(/\/$/, "")}/${path}`;
}

function healthcheck(rest: string): Healthcheck {
  const options: Record<string, number> = {};
  const names: Readonly<Record<string, string>> = {
    interval: "Interval",
    timeout: "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
    retries: "Retries",
  };
  const body = rest.replace(/--([a-z-]+)=(\S+)\s*/gy, (_, name: string, value: string) => {
    const field = names[name] ?? fail(`unknown flag: ${name}`);
    options[field] = name === "retries" ? Number(value) : nanoseconds(value);
    return "";
  });
  if (/^none\s*$/i.test(body)) return { Test: ["NONE"] };
  const shell = /^cmd\s+(.+)$/is.exec(body)?.[1];
  if (shell === undefined)
    throw invalid(`unknown type ${JSON.stringify(body.split(" ", 1)[0] ?? "")} in HEALTHCHECK (try CMD)`);
  const list = jsonList(shell);
  return { Test: list ? ["CMD", ...list] : ["CMD-SHELL", shell], ...options };
}

/** Go's durations: `1m30s`, `500ms`. */
function nanoseconds(text: string): number {
  const units: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
  if (!/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(text))
    throw invalid(`invalid duration ${JSON.stringify(text)}`);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g)];
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (units[unit ?? ""] ?? 0), 0);
}

function fail(message: string): never {
  throw invalid(message);
}
