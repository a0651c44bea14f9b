// A terminal session over a hijacked connection: bytes both ways, raw mode, sizes, detach keys, signals.

import type { Socket } from "node:net";
import type { Hijacked } from "./client/engine.ts";
import { FrameDecoder } from "./client/frames.ts";
import { DetachDetector, parseDetachKeys } from "./detach.ts";
import type { Session } from "./session.ts";

export interface StreamOptions {
  readonly hijacked: Hijacked;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  readonly detachKeys: string;
}

export type StreamEnd = "closed" | "detached";

/** Copies until the daemon closes the output or the detach keys are typed. Restores the terminal in any case. */
export async function streamHijacked(session: Session, options: StreamOptions): Promise<StreamEnd> {
  const { socket, early } = options.hijacked;
  const raw = options.stdin && options.tty && session.streams.stdinIsTerminal;
  const input = options.stdin ? process.stdin : undefined;
  if (raw) await setRaw();
  try {
    return await new Promise<StreamEnd>((resolve, reject) => {
      const output = outputOf(session, options);
      const receive = (data: Buffer) => {
        try {
          output(data);
        } catch (error) {
          reject(error as Error);
        }
      };
      if (early.length > 0) receive(early);
      socket.on("data", receive);
      socket.once("end", () => resolve("closed"));
      socket.once("close", () => resolve("closed"));
      if (input)
        sendInput(input, socket, {
          detachKeys: raw ? options.detachKeys : undefined,
          onDetach: () => resolve("detached"),
        });
      else socket.end();
      socket.resume();
    });
  } finally {
    if (raw) process.stdin.setRawMode(false);
    input?.pause();
    socket.destroy();
  }
}

/**
 * Raw both ways. libuv's raw mode leaves the terminal adding a carriage return to each newline, which breaks what a
 * full-screen program inside draws; stty takes that off. Leaving raw mode puts all back as it was.
 */
async function setRaw(): Promise<void> {
  const { spawnSync } = await import("node:child_process");
  process.stdin.setRawMode(true);
  spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
}

function outputOf(session: Session, options: StreamOptions): (data: Buffer) => void {
  const out = (data: Buffer) => options.stdout && session.out.write(data);
  const err = (data: Buffer) => options.stderr && session.err.write(data);
  if (options.tty) return (data) => session.out.write(data);
  const decoder = new FrameDecoder({ stdout: out, stderr: err });
  return (data) => decoder.push(data);
}

/** stdin to the container; its end half-closes the connection. */
function sendInput(
  input: NodeJS.ReadStream,
  socket: Socket,
  options: { detachKeys: string | undefined; onDetach: () => void },
): void {
  const detector =
    options.detachKeys === undefined ? undefined : new DetachDetector(parseDetachKeys(options.detachKeys));
  input.on("data", (data: Buffer) => {
    const passed = detector ? detector.push(data) : { data, detached: false };
    if (passed.data.length > 0 && !socket.write(passed.data)) {
      input.pause();
      socket.once("drain", () => input.resume());
    }
    if (passed.detached) options.onDetach();
  });
  input.once("end", () => socket.end());
  input.once("error", () => socket.end());
  socket.on("error", () => {});
  input.resume();
}

/** Refuses a terminal session whose stdin is none: `the input device is not a TTY`. */
export function checkTty(session: Session, attachStdin: boolean, tty: boolean): void {
  if (tty && attachStdin && !session.streams.stdinIsTerminal) {
    throw new Error("the input device is not a TTY");
  }
}

/** Tells the daemon the terminal's size now and at every change. `path` is the resize endpoint. */
export function followTerminalSize(session: Session, path: string): void {
  const resize = async () => {
    const { rows: h = 0, columns: w = 0 } = process.stdout;
    if (h > 0 || w > 0) await session.client.post(path, { query: { h, w } });
  };
  process.on("SIGWINCH", () => {
    resize().catch(() => {}); // the container may have ended; the next change tries again
  });
  resizeAtFirst(resize).catch(() => session.err.line("failed to resize tty, using default size"));
}

const firstTries = 10;

/** A process that was just started may not have its terminal yet. */
async function resizeAtFirst(resize: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await resize();
    } catch (error) {
      if (attempt > firstTries) throw error;
      await new Promise((resolve) => setTimeout(resolve, attempt * 10));
    }
  }
}

const forwarded: readonly NodeJS.Signals[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGVTALRM",
  "SIGWINCH",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGIO",
  "SIGPWR",
  "SIGSYS",
  "SIGTRAP",
  "SIGABRT",
];

/** Sends the signals this process gets on to the container instead of dying by them. */
export function forwardSignals(session: Session, containerId: string): void {
  for (const signal of forwarded) {
    try {
      process.on(signal, () => {
        const query = { signal: signal.replace("SIG", "") };
        // it may have ended meanwhile, which is then seen by who waits for it
        session.client.post(`/containers/${containerId}/kill`, { query }).catch(() => {});
      });
    } catch {
      // this platform does not know it
    }
  }
}
