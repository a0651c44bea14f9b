// tsdocker-proxy, the process: serves a daemon's forwards and resolvers (`--control`), or one port as docker-proxy does.

import { closeSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { errorMessage } from "../util/errors.ts";
import { listenForDaemons } from "./control.ts";
import { type OnePort, parseOnePort, serveOnePort } from "./one-port.ts";
import { Serving } from "./serving.ts";
import { stderrLog } from "./stderr-log.ts";

const usage = `usage: tsdocker-proxy --control PATH [--netns PATH] [--udp-idle-ms N] [--debug]
       tsdocker-proxy -proto tcp|udp|sctp -host-ip IP -host-port N -container-ip IP -container-port N [-use-listen-fd]
       tsdocker-proxy -v
`;

/** The parent reads here whether we serve: docker-proxy's protocol. */
const statusFd = 3;

main(process.argv.slice(2));

function main(args: readonly string[]): void {
  if (args.some((arg) => /^--?v(ersion)?$/.test(arg))) {
    process.stdout.write("tsdocker-proxy 0.1.0\n");
    return;
  }
  try {
    const port = parseOnePort(args);
    const close = port ? runOnePort(port) : runControl(args);
    process.once("SIGTERM", () => end(close));
    if (port) process.once("SIGINT", () => end(close));
    sayStatus("0\n");
  } catch (error) {
    sayStatus(`1\n${errorMessage(error)}\n`);
    process.stderr.write(`tsdocker-proxy: ${errorMessage(error)}\n`);
    process.exit(1);
  }
}

/** Ends whatever happens on the way. */
function end(close: () => void): never {
  try {
    close();
  } finally {
    process.exit(0);
  }
}

function runOnePort(port: OnePort): () => void {
  return serveOnePort(port);
}

function runControl(args: readonly string[]): () => void {
  const { control, netns, idleMs, debug } = parseControl(args);
  const log = stderrLog(debug);
  keepServing(log);
  const serving = new Serving({ netns, udpIdleMs: idleMs, log });
  const listener = listenForDaemons({ path: control, serving, stop: () => end(close), log });
  const close = () => {
    listener.close();
    serving.close();
  };
  return close;
}

function parseControl(args: readonly string[]) {
  const string = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { control: string, netns: string, "udp-idle-ms": string, debug: { type: "boolean" } },
  });
  if (values.control === undefined) throw new Error(`--control is missing\n${usage}`);
  const idle = values["udp-idle-ms"];
  const idleMs = idle === undefined ? undefined : Number(idle);
  if (idleMs !== undefined && !(idleMs > 0))
    throw new Error(`--udp-idle-ms: not a number of milliseconds: ${idle}`);
  return { control: values.control, netns: values.netns, idleMs, debug: values.debug ?? false };
}

/** Everybody's connections and names hang on this process: it ends when it is asked to and never otherwise. */
function keepServing(log: ReturnType<typeof stderrLog>): void {
  for (const signal of ["SIGHUP", "SIGINT", "SIGPIPE"] as const) process.on(signal, () => undefined);
  process.on("uncaughtException", (error) =>
    log.error({ stack: error.stack }, "a fault of ours; serving on"),
  );
}

function sayStatus(text: string): void {
  try {
    writeSync(statusFd, text);
    closeSync(statusFd);
  } catch {
    // started by hand: nobody listens
  }
}
