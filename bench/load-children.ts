// load.py and ab as children in a netns.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const load = join(import.meta.dirname, "load.py");

/** Where to listen, or whom to ask. */
export interface At {
  /** Path of the netns. */
  readonly netns: string;
  readonly address: string;
  readonly port: number;
}

/** A server of load.py, listening; disposed of it is gone. */
export async function serve(
  { netns, address, port }: At,
  what: "sink" | "echo" | "http",
): Promise<AsyncDisposable & { readonly pid: number }> {
  const argv = [`--net=${netns}`, "python3", load, what, address, `${port}`];
  const child = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"] });
  await firstWord(child.stdout);
  return { pid: child.pid ?? 0, [Symbol.asyncDispose]: () => endOf(child) };
}

/** How many seconds `count` bytes or questions took. */
export async function ask(at: At, what: "send" | "ask", count: number): Promise<number> {
  return (await askWithCost(at, what, count)).seconds;
}

/** The same, and for how many of them the sender had a processor; 0 when it does not tell. */
export async function askWithCost(
  { netns, address, port }: At,
  what: "send" | "ask",
  count: number,
): Promise<{ readonly seconds: number; readonly cpuSeconds: number }> {
  const argv = [`--net=${netns}`, "python3", load, what, address, `${port}`, `${count}`];
  const [seconds = Number.NaN, cpuSeconds = 0] = (await run("nsenter", argv)).stdout.split(" ").map(Number);
  return { seconds, cpuSeconds };
}

/** What iperf3 receives of so many streams in two seconds, in bits a second: programs that copy what they send. */
export async function iperf({ netns, address, port }: At, from: string, streams: number): Promise<number> {
  const at = ["-p", `${port}`];
  const server = spawn(
    "nsenter",
    [`--net=${netns}`, "iperf3", "-s", "-1", "--forceflush", "-B", address, ...at],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  try {
    await firstWord(server.stdout);
    const wish = ["-c", address, ...at, "-t", "2", "-P", `${streams}`, "-J"];
    const { stdout } = await run("nsenter", [`--net=${from}`, "iperf3", ...wish], { maxBuffer: 1 << 24 });
    const { end } = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
    return end.sum_received.bits_per_second;
  } finally {
    await endOf(server);
  }
}

/** Connections a second: each sends a request, gets the answer and ends. */
export async function connections(
  { netns, address, port }: At,
  { clients, count }: { readonly clients: number; readonly count: number },
): Promise<number> {
  const url = `http://${address}:${port}/`;
  const argv = [`--net=${netns}`, "ab", "-q", "-c", `${clients}`, "-n", `${count}`, url];
  const { stdout } = await run("nsenter", argv);
  const [, perSecond] = /Requests per second:\s+([\d.]+)/.exec(stdout) ?? [];
  if (!/Failed requests:\s+0\b/.test(stdout)) throw new Error(`requests failed: ${stdout}`);
  return Number(perSecond);
}

/** Resolves when the child has written something. */
export async function firstWord(stream: ChildProcess["stdio"][3]): Promise<void> {
  if (!stream || !("setEncoding" in stream)) throw new Error("no pipe to the child");
  await new Promise((resolve, reject) => {
    stream.once("data", resolve);
    stream.once("end", () => reject(new Error("it ended at once")));
  });
}

export async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
}
