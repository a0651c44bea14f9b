// A plugin in a process of its own that dies of its own hand in one call: before it has done anything, or when it has and
// nobody has heard. Its links are in the kernel and its leases in a file, so that another life of it finds both.
//
// Argument: `MortalSettings` in JSON. It writes a line when it listens.

import { appendFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { NetworkDriver } from "../../../src/driverapi/index.ts";
import { servePlugin } from "../../../src/driverkit/server/index.ts";
import { openNetlink } from "../../../src/kernel/index.ts";
import { wirePlugin } from "../../e2e/wire-plugin.ts";
import { notebookIpam, openNotebook } from "./notebook.ts";

export interface Death {
  readonly method: string;
  /** 1: the first call of this method. */
  readonly call: number;
  readonly when: "before" | "after";
}

export interface MortalSettings {
  /** Path of the namespace of its links. */
  readonly netns: string;
  readonly socket: string;
  /** File with what it must not forget. */
  readonly notebook: string;
  /** File with what it was asked: a line of JSON a call. */
  readonly calls: string;
  /** It keeps no leases, and says so. */
  readonly isForgetful: boolean;
  readonly death?: Death;
}

/** A call as it is noted. */
export interface Noted {
  readonly method: string;
  /** Of networks and endpoints. */
  readonly ids: readonly string[];
}

const settings = JSON.parse(process.argv[2] ?? "") as MortalSettings;
const inner = `${settings.socket}-inner`;
const heard = new Map<string, number>();

async function serve({ netns, isForgetful, ...files }: MortalSettings): Promise<void> {
  const notebook = openNotebook(files.notebook);
  const { driver } = wirePlugin(await openNetlink(netns));
  const network: NetworkDriver = {
    ...driver,
    capabilities: { ...driver.capabilities, connectivityScope: "global" },
    programExternalConnectivity: async ({ endpointId }) => {
      notebook.change(({ published }) => void published.add(endpointId));
      return [];
    },
    revokeExternalConnectivity: async ({ endpointId }) =>
      notebook.change(({ published }) => void published.delete(endpointId)),
  };
  await servePlugin({ network, ipam: notebookIpam(notebook, { isForgetful }) }, { on: inner });
}

/** Stands between the daemon and the plugin proper, in the same process. */
async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { calls, death } = settings;
  const method = (incoming.url ?? "").slice(1);
  const body = await readAll(incoming);
  const { NetworkID, EndpointID } = body.length > 0 ? JSON.parse(body.toString()) : {};
  const noted: Noted = { method, ids: [NetworkID, EndpointID].filter((id) => id !== undefined) };
  appendFileSync(calls, `${JSON.stringify(noted)}\n`);
  heard.set(method, (heard.get(method) ?? 0) + 1);
  const isLast = death?.method === method && death.call === heard.get(method);
  if (isLast && death.when === "before") process.kill(process.pid, "SIGKILL");
  const answer = await pass(`/${method}`, body);
  if (isLast) process.kill(process.pid, "SIGKILL");
  outgoing.writeHead(answer.status).end(answer.body);
}

async function pass(path: string, body: Buffer): Promise<{ status: number; body: Buffer }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { "Content-Length": body.length };
    request({ socketPath: inner, path, method: "POST", headers, agent: false }, resolve)
      .once("error", reject)
      .end(body);
  });
  return { status: response.statusCode ?? 0, body: await readAll(response) };
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

// no `await` here: it is bundled as CommonJS, which Node starts sooner
void serve(settings).then(() => {
  rmSync(settings.socket, { force: true });
  createServer((incoming, outgoing) => void answer(incoming, outgoing)).listen(settings.socket, () =>
    process.stdout.write("listening\n"),
  );
});
