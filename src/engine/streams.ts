// The streams of one process: what it writes goes to its log and to everyone attached; what they type goes to it.
// A slow reader holds the process back rather than losing a byte, as with Docker.

import { type Readable, Writable } from "node:stream";
import { Channel } from "./channel.ts";
import type { AttachSession, OutputChunk } from "./types.ts";

const highWaterBytes = 1 << 20;

/** Where output goes besides the attached sessions. */
export interface OutputSink {
  write(chunk: OutputChunk): void;
  end(): void;
}

/** The ends of a process's pipes that are ours. */
export interface ProcessPipes {
  readonly stdout?: Readable | undefined;
  readonly stderr?: Readable | undefined;
  readonly stdin?: Writable | undefined;
}

export interface SessionOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** What ending the input means for the process. */
  readonly onInputEnd?: () => void;
  readonly onDetach?: (why: "keys" | "gone") => void;
}

/** Fans the output of one process out. Sessions may attach before `connect`; they then wait for the process. */
export class Streams {
  readonly tty: boolean;
  readonly #sink: OutputSink | undefined;
  readonly #sessions = new Set<Session>();
  #pipes: ProcessPipes = {};
  #early: Uint8Array[] = [];
  #endsEarly = false;

  constructor(tty: boolean, sink?: OutputSink) {
    this.tty = tty;
    this.#sink = sink;
  }

  /** Begins reading the process's output; called once per life of the process. */
  connect(pipes: ProcessPipes): void {
    this.#pipes = pipes;
    for (const data of this.#early) pipes.stdin?.write(data);
    if (this.#endsEarly) pipes.stdin?.end();
    this.#early = [];
    this.#endsEarly = false;
    this.#read("stdout", pipes.stdout);
    this.#read("stderr", pipes.stderr);
  }

  /** Hands the sessions over to a new life of the process without ending them. */
  attach(options: SessionOptions): AttachSession {
    const session = new Session(this, options);
    this.#sessions.add(session);
    session.channel.onEnd(() => {
      this.#sessions.delete(session);
      this.#balance();
    });
    session.channel.onRoom(() => this.#balance());
    return session.view;
  }

  /** Bytes for the process's stdin; kept until there is one. Resolves when more may come. */
  async write(data: Uint8Array): Promise<void> {
    const { stdin } = this.#pipes;
    if (!stdin) {
      this.#early.push(data);
      return;
    }
    if (stdin.destroyed || stdin.writableEnded || stdin.write(data)) return;
    await new Promise<void>((go) => {
      stdin.once("drain", go);
      stdin.once("close", go);
    });
  }

  /** End of file for the process's stdin. */
  endInput(): void {
    if (this.#pipes.stdin) this.#pipes.stdin.end();
    else this.#endsEarly = true;
  }

  /** The process is gone: ends every session and closes our ends. */
  end(): void {
    this.#pipes.stdin?.destroy();
    this.#pipes.stdout?.destroy();
    this.#pipes.stderr?.destroy();
    this.#pipes = {};
    for (const session of this.#sessions) session.channel.end();
    this.#sink?.end();
  }

  /** Lets go of the process's pipes, which somebody else will read on: what was taken out of them is delivered first. */
  release(): void {
    const { stdout, stderr } = this.#pipes;
    for (const source of [stdout, stderr]) {
      source?.pause();
      // reading delivers by the listener for data
      while (source && source.read() !== null);
    }
    this.#pipes = {};
  }

  #read(stream: "stdout" | "stderr", source: Readable | undefined): void {
    if (!source) return;
    source.on("data", (data: Uint8Array) => this.#deliver({ stream, data }));
    source.once("error", () => source.destroy());
  }

  #deliver(chunk: OutputChunk): void {
    this.#sink?.write(chunk);
    for (const session of this.#sessions) session.deliver(chunk);
    this.#balance();
  }

  #balance(): void {
    const isFull = [...this.#sessions].some(({ channel }) => channel.weight > highWaterBytes);
    for (const source of [this.#pipes.stdout, this.#pipes.stderr]) {
      if (isFull) source?.pause();
      else if (source?.isPaused()) source.resume();
    }
  }
}

class Session {
  readonly channel = new Channel<OutputChunk>((chunk) => chunk.data.length);
  readonly view: AttachSession;
  readonly #options: SessionOptions;

  constructor(streams: Streams, options: SessionOptions) {
    this.#options = options;
    const detach = (why: "keys" | "gone") => {
      if (!this.channel.ended) options.onDetach?.(why);
      this.channel.end();
    };
    this.view = {
      tty: streams.tty,
      output: this.channel,
      detach,
      ...(options.stdin && { input: inputOf(streams, options) }),
    };
  }

  deliver(chunk: OutputChunk): void {
    const isWanted = chunk.stream === "stderr" ? this.#options.stderr : this.#options.stdout;
    if (isWanted) this.channel.push(chunk);
  }
}

function inputOf(streams: Streams, options: SessionOptions): Writable {
  return new Writable({
    write: (data: Uint8Array, _encoding, done) => void streams.write(data).then(() => done(), done),
    final: (done) => {
      options.onInputEnd?.();
      done();
    },
  });
}
