// Loads archives through the Docker API, as `docker load` does.

import { createReadStream } from "node:fs";
import { type IncomingMessage, type RequestOptions, request } from "node:http";
import { json, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";

/** Where $DOCKER_HOST points: `unix:///path` or `tcp://host:port`. */
export function daemonAddress(
  host = process.env.DOCKER_HOST || "unix:///var/run/docker.sock",
): RequestOptions {
  const url = new URL(host);
  if (url.protocol === "unix:") return { socketPath: url.pathname };
  if (url.protocol === "tcp:" || url.protocol === "http:") {
    return { host: url.hostname.replace(/^\[|\]$/g, ""), port: url.port || 2375 };
  }
  throw new Error(`reach the daemon at ${host}: only unix:// and tcp:// are known here`);
}

/** True when a daemon answers. */
export async function isAnswering(daemon: RequestOptions): Promise<boolean> {
  try {
    const answer = await call(daemon, "GET", "/_ping");
    answer.resume();
    return answer.statusCode === 200;
  } catch {
    return false;
  }
}

/** The id of a loaded image, or undefined. */
export async function loadedId(daemon: RequestOptions, name: string): Promise<string | undefined> {
  const answer = await call(daemon, "GET", `/images/${name}/json`);
  const body = (await json(answer)) as { Id?: string };
  return answer.statusCode === 200 ? body.Id : undefined;
}

/** Sends the archive and answers what the daemon said about it. */
export async function load(daemon: RequestOptions, archive: string): Promise<string> {
  const answer = await call(daemon, "POST", "/images/load?quiet=1", archive);
  const body = await text(answer);
  const lines = body.split("\n").filter((line) => line.trim() !== "");
  const objects = lines.map(
    (line) => JSON.parse(line) as { stream?: string; error?: string; message?: string },
  );
  const failure = objects.map((one) => one.error ?? one.message).find((one) => one !== undefined);
  if (failure !== undefined) throw new Error(`load ${archive}: ${failure}`);
  return objects.map((one) => one.stream ?? "").join("");
}

async function call(daemon: RequestOptions, method: string, path: string, archive?: string) {
  const headers = archive ? { "content-type": "application/x-tar" } : {};
  const req = request({ ...daemon, method, path, headers, timeout: 120_000 });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    req
      .once("response", resolve)
      .once("error", reject)
      .once("timeout", () => req.destroy(new Error("no answer")));
  });
  if (archive) {
    // A daemon that refuses may answer before it has read everything: its answer counts, not the broken pipe.
    pipeline(createReadStream(archive), req).catch(() => undefined);
  } else req.end();
  return answered;
}
