// One request on a connection of its own; the answer as bytes, headers and status, nothing interpreted.

import http from "node:http";
import type { Step } from "./step.ts";

export interface Exchanged {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

const version = "/v1.41";
const limitMs = 30_000;

/** Names that steps saved, for one daemon. */
export type Saved = Map<string, string>;

/** Sends a step. @throws when nobody answers within 30 s */
export async function exchange(socketPath: string, step: Step, saved: Saved): Promise<Exchanged> {
  const path = (step.unversioned ? "" : version) + fill(step.path, saved);
  const payload = payloadOf(step.body, saved);
  const headers = { ...(payload !== undefined && { "Content-Type": "application/json" }), ...step.headers };
  const signal = AbortSignal.timeout(limitMs);
  return await new Promise((resolve, reject) => {
    const sent = http.request({ socketPath, method: step.method, path, headers, agent: false, signal });
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    sent.on("upgrade", (response, socket, head) => {
      const chunks: Buffer[] = [head];
      socket.on("data", (chunk: Buffer) => chunks.push(chunk));
      socket.on("error", reject);
      socket.on("end", () => {
        socket.destroy();
        resolve({ status: 101, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
    sent.on("error", (error) => reject(new Error(`${step.method} ${path}: ${error.message}`)));
    sent.end(payload);
  });
}

/** `{soon}` is a moment after this request, in seconds since 1970. */
function fill(text: string, saved: Saved): string {
  const soon = String(Math.ceil(Date.now() / 1000) + 1);
  return text.replace(/\{([a-z0-9-]+)\}/g, (whole, name: string) =>
    name === "soon" ? soon : (saved.get(name) ?? whole),
  );
}

function payloadOf(body: unknown, saved: Saved): Buffer | string | undefined {
  if (body === undefined || Buffer.isBuffer(body)) return body;
  return fill(typeof body === "string" ? body : JSON.stringify(body), saved);
}

/** Keeps what an answer names, for later steps. */
export function save(step: Step, { body }: Exchanged, saved: Saved): void {
  if (step.save === undefined) return;
  const id = /"(?:Id|ID|Name)":"([^"]+)"/.exec(body.toString())?.[1];
  if (id !== undefined) saved.set(step.save, id);
}
