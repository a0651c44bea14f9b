// An answer that comes piece by piece over chunked HTTP: events, logs, progress, stats, wait.

import { once } from "node:events";
import type { ServerResponse } from "node:http";

export class ResponseStream {
  readonly #response: ServerResponse;

  /** Sends the head at once: clients wait for it before they go on. */
  constructor(response: ServerResponse, headers: Readonly<Record<string, string>>) {
    this.#response = response;
    response.writeHead(200, headers);
    response.flushHeaders();
  }

  /** Sends bytes; settles when there is room for more, or the client is gone. */
  async write(data: string | Uint8Array): Promise<void> {
    const response = this.#response;
    if (response.destroyed || response.write(data)) return;
    const settled = new AbortController();
    const { signal } = settled;
    await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })]).finally(
      () => settled.abort(),
    );
  }

  /** Sends one JSON document and a newline. */
  writeJson(value: unknown): Promise<void> {
    return this.write(`${JSON.stringify(value)}\n`);
  }

  /** The answer is complete. */
  end(): void {
    this.#response.end();
  }

  /** Cuts the connection: the client sees an answer that did not end. */
  fail(): void {
    this.#response.destroy();
  }
}
