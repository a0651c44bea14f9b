// A containerd, an image store on it, and Debian's docker-registry behind a gate in which a test can misbehave.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  type Images,
  type ImagesOptions,
  openImages,
  type ProgressMessage,
} from "../../../src/image/index.ts";
import { type TarFile, tarStream } from "../../../src/image/tar.ts";
import { type Containerd, connectContainerd } from "../../../src/runtime/index.ts";
import { Undo } from "../../../src/util/undo.ts";
import { eventually, startContainerd } from "../runtime/fixture.ts";

const run = promisify(execFile);
export const repositoryRoot = join(import.meta.dirname, "../../..");
const archives = join(repositoryRoot, ".cache/images");

/** bcrypt of alice:secret */
const passwords = "alice:$2y$05$Oh418FT6rGOlgreeXO4ugOvoZFn3aYUNQZgFDXVIznREVQ/4THD9m\n";

export const never = new AbortController().signal;

/** A containerd in folders and a netns of its own, and image stores on it. */
export class ImageLab implements AsyncDisposable {
  readonly folder: string;
  readonly containerd: Containerd;
  readonly #undo: Undo;

  private constructor(folder: string, containerd: Containerd, undo: Undo) {
    this.folder = folder;
    this.containerd = containerd;
    this.#undo = undo;
  }

  static async create(): Promise<ImageLab> {
    await using undo = new Undo();
    const folder = await mkdtemp(`/tmp/tsdocker-img-${process.pid}-`);
    undo.defer("remove folder", () => rm(folder, { recursive: true, force: true }));
    const supervised = await startContainerd(folder);
    undo.defer("stop containerd", () => supervised.stop());
    const containerd = await connectContainerd({ address: supervised.address, namespace: "lab" });
    undo.defer("close connection", () => containerd.close());
    return new ImageLab(folder, containerd, undo.move());
  }

  async open(options: Partial<ImagesOptions> = {}): Promise<Images> {
    return await openImages({ containerd: this.containerd, retryDelayMs: 1, ...options });
  }

  /** A registry that ends with the lab. */
  async registry(options: { readonly hasPasswords?: boolean } = {}): Promise<Registry> {
    const registry = await Registry.start(await mkdtemp(join(this.folder, "registry-")), options);
    this.#undo.defer("stop registry", () => registry.stop());
    return registry;
  }

  /** Removes every image and waits until containerd holds nothing. */
  async clear(): Promise<void> {
    for (const { name } of await this.containerd.images.list())
      await this.containerd.images.delete(name, { sync: true });
    for (const { id } of await this.containerd.leases.list())
      await this.containerd.leases.delete(id, { sync: true });
    for (const { ref } of await this.containerd.content.statuses()) await this.containerd.content.abort(ref);
  }

  /** Names of snapshots, digests of blobs, leases: what a failed attempt must not leave. */
  async holdings() {
    const snapshots: string[] = [];
    for await (const { name } of this.containerd.snapshots.list()) snapshots.push(name);
    const blobs: string[] = [];
    for await (const { digest } of this.containerd.content.list()) blobs.push(digest);
    const leases = (await this.containerd.leases.list()).map(({ id }) => id);
    const records = (await this.containerd.images.list()).map(({ name }) => name);
    return { snapshots: snapshots.sort(), blobs: blobs.sort(), leases, records: records.sort() };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.dispose();
  }
}

export type Misbehave = (
  request: IncomingMessage,
  response: ServerResponse,
  pass: (limitBytes?: number, then?: "drop" | "stall" | "corrupt" | "more") => void,
) => void;

/** docker-registry in a netns of its own, on a unix socket, and a gate to it on loopback. */
export class Registry {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  /** `GET /v2/…`, in order. */
  readonly requests: string[] = [];
  misbehave: Misbehave = (_request, _response, pass) => pass();
  readonly folder: string;
  readonly #gate: Server;
  readonly #undo: Undo;

  private constructor(folder: string, gate: Server, undo: Undo) {
    this.folder = folder;
    this.#gate = gate;
    this.#undo = undo;
    this.host = `127.0.0.1:${(gate.address() as AddressInfo).port}`;
  }

  static async start(folder: string, { hasPasswords = false } = {}): Promise<Registry> {
    await using undo = new Undo();
    const socket = join(folder, "socket");
    await writeFile(join(folder, "passwords"), passwords);
    await writeFile(join(folder, "config.yml"), configuration(folder, socket, hasPasswords));
    const child = spawn("unshare", ["--net", "docker-registry", "serve", join(folder, "config.yml")], {
      stdio: "ignore",
    });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    undo.defer("stop registry", async () => {
      child.kill();
      await exited;
    });
    await eventually(() => answers(socket), "registry listens");
    const gate = createServer((req, res) => registry.#pass(req, res, socket));
    gate.listen(0, "127.0.0.1");
    await new Promise((resolve) => gate.once("listening", resolve));
    const registry = new Registry(folder, gate, undo.move());
    return registry;
  }

  /** The same registry a second time, on localhost:5000 in the netns of a process. */
  async alsoIn(pid: number): Promise<void> {
    const config = join(this.folder, "second.yml");
    const text = await readFile(join(this.folder, "config.yml"), "utf8");
    await writeFile(config, JSON.stringify({ ...JSON.parse(text), http: { addr: "localhost:5000" } }));
    const argv = [`--net=/proc/${pid}/ns/net`, "docker-registry", "serve", config];
    const child = spawn("nsenter", argv, { stdio: "ignore" });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    this.#undo.defer("stop second registry", async () => {
      child.kill();
      await exited;
    });
  }

  async stop(): Promise<void> {
    this.#gate.closeAllConnections();
    this.#gate.close();
    await this.#undo.dispose();
  }

  #pass(req: IncomingMessage, res: ServerResponse, socketPath: string): void {
    this.requests.push(`${req.method} ${req.url}${req.headers.range ? ` ${req.headers.range}` : ""}`);
    this.misbehave(req, res, (limitBytes, then = "drop") => {
      const { method, url: path, headers } = req;
      const onward = request({ socketPath, method, path, headers }, (answer) => {
        const { "content-length": length, ...rest } = answer.headers;
        const isLonger = then === "more";
        res.writeHead(
          answer.statusCode ?? 502,
          isLonger ? rest : { ...rest, ...(length && { "content-length": length }) },
        );
        if (limitBytes === undefined) answer.pipe(res);
        else misdeliver(limitBytes, then, answer, res);
      });
      onward.on("error", () => res.destroy());
      req.pipe(onward);
    });
  }
}

/** Its socket is there a moment before somebody listens on it. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: "/v2/" }, (answer) => {
      answer.resume();
      resolve(true);
    });
    asked.on("error", () => resolve(false));
    asked.end();
  });
}

/** Sends so many bytes of the answer and then drops the connection, or says nothing more; or sends wrong bytes. */
function misdeliver(
  limit: number,
  then: "drop" | "stall" | "corrupt" | "more",
  answer: IncomingMessage,
  res: ServerResponse,
): void {
  if (then === "more") res.write(Buffer.alloc(limit));
  if (then === "corrupt" || then === "more") {
    answer.on("data", (chunk: Buffer) => res.write(chunk.map((byte) => byte ^ 1)));
    answer.on("end", () => res.end());
    return;
  }
  let left = limit;
  answer.on("data", (chunk: Buffer) => {
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (left > 0) res.write(part);
    else if (then === "drop") res.write(part, () => res.destroy());
    else res.write(part);
  });
  answer.on("end", () => (left > 0 || then === "drop") && res.end());
}

function configuration(folder: string, socket: string, hasPasswords: boolean): string {
  const auth = { htpasswd: { realm: "lab", path: join(folder, "passwords") } };
  return JSON.stringify({
    version: 0.1,
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: join(folder, "data") } },
    http: { net: "unix", addr: socket },
    ...(hasPasswords && { auth }),
  });
}

/** A sample image's archive, made when it is not there. */
export async function sampleArchive(name: "busybox" | "nginx"): Promise<Buffer> {
  await run("node", [join(repositoryRoot, "scripts/sample-images.ts"), "--no-load", name]);
  return await readFile(join(archives, `${name}.tar`));
}

/** Runs a progress stream to its end. */
export async function drain(progress: AsyncIterable<ProgressMessage>): Promise<ProgressMessage[]> {
  const messages: ProgressMessage[] = [];
  for await (const message of progress) messages.push(message);
  return messages;
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A tar of small files. */
export async function tarOf(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const entries = Object.entries(files).map(([name, text]): TarFile => {
    const body = Buffer.from(text);
    return { name, size: body.length, body: [body] };
  });
  const parts: Buffer[] = [];
  for await (const part of tarStream(entries)) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
