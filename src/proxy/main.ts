// tsdocker-proxy, the process: serves a daemon's forwards and resolvers (`--control`), or one port as docker-proxy does.

import { closeSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { errorMessage } from "../util/errors.ts";
import { listenForDaemons } from "./control.ts";
import { parseOnePort, serveOnePort } from "./one-port.ts";
import { Serving } from "./serving.ts";
import { stderrLog } from "./stderr-log.ts";

const usage = `usage: tsdocker-proxy --control PATH [--netns PATH] [--udp-idle-ms N] [--status-fd N] [--debug]
       tsdocker-proxy -proto tcp|udp|sctp -host-ip IP -host-port N -container-ip IP -container-port N [-use-listen-fd]
       tsdocker-proxy -v`;

const version = "0.1.0";

/** What the arguments ask for. */
interface Job {
  readonly endsOn: readonly NodeJS.Signals[];
  /** Starts to serve; the result ends it. */
  serve(): () => void;
}

main(process.argv.slice(2));

function main(args: readonly string[]): void {
  if (args.some((arg) => /^--?v(ersion)?$/.test(arg))) {
    process.stdout.write(`tsdocker-proxy ${version}\n`);
    return;
  }
  const statusFd = statusFdOf(args);
  try {
    const job = jobOf(args);
    const close = job.serve();
    for (const signal of job.endsOn) process.once(signal, () => end(close));
    sayStatus(statusFd, "0\n");
  } catch (error) {
    sayStatus(statusFd, `1\n${errorMessage(error)}\n`);
    process.stderr.write(`tsdocker-proxy: ${errorMessage(error)}\n`);
    process.exit(1);
  }
}

function jobOf(args: readonly string[]): Job {
  const port = parseOnePort(args);
  if (port) return { endsOn: ["SIGTERM", "SIGINT"], serve: () => serveOnePort(port) };
  const options = parseControl(args);
  return { endsOn: ["SIGTERM"], serve: () => serveControl(options) };
}

interface ControlArguments {
  readonly control: string;
  readonly netns: string | undefined;
  readonly idleMs: number | undefined;
  readonly debug: boolean;
}

function parseControl(args: readonly string[]): ControlArguments {
  const string = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = { control: string, netns: string, "udp-idle-ms": string, "status-fd": string, debug: flag };
  const { values } = parseArgs({ args: [...args], options });
  if (values.control === undefined) throw new Error(`--control is missing\n${usage}`);
  const idle = values["udp-idle-ms"];
  const idleMs = idle === undefined ? undefined : Number(idle);
  if (idleMs !== undefined && !(idleMs > 0)) throw new Error(`--udp-idle-ms: not a time in ms: ${idle}`);
  return { control: values.control, netns: values.netns, idleMs, debug: values.debug ?? false };
}

function serveControl({ control, netns, idleMs, debug }: ControlArguments): () => void {
  const log = stderrLog(debug);
  // everybody's connections and names hang on this process: it ends when it is asked to and never otherwise
  for (const signal of ["SIGHUP", "SIGINT", "SIGPIPE"] as const) process.on(signal, () => undefined);
  process.on("uncaughtException", (error) =>
    log.error({ stack: error.stack }, "a fault of ours; serving on"),
  );
  const serving = new Serving({ netns, udpIdleMs: idleMs, log });
  const listener = listenForDaemons({ path: control, serving, stop: () => end(close), log });
  const close = () => {
    listener.close();
    serving.close();
  };
  return close;
}

/** Ends whatever happens on the way. */
function end(close: () => void): never {
  try {
    close();
  } finally {
    process.exit(0);
  }
}

/**
 * Where the parent reads whether we serve: descriptor 3 in docker-proxy's protocol, else the one it names. Another one
 * must not be written to, which may be the event loop's own.
 */
function statusFdOf(args: readonly string[]): number | undefined {
  if (args.some((arg) => /^--?proto\b/.test(arg))) return 3;
  const at = args.indexOf("--status-fd");
  return at < 0 ? undefined : Number(args[at + 1]);
}

function sayStatus(fd: number | undefined, text: string): void {
  if (fd === undefined) return;
  try {
    writeSync(fd, text);
    closeSync(fd);
  } catch {
    // a parent that does not listen
  }
}
