// A daemon's socket for clients that name an API version from before those that are served: it is all that is changed.

import { createServer, request } from "node:http";

export interface OlderApi extends AsyncDisposable {
  readonly path: string;
}

/** Takes `/v1.13.1/…` for `/v1.24/…`. */
export async function serveOlderApi(path: string, daemonSocket: string): Promise<OlderApi> {
  const server = createServer((asked, answer) => {
    const to = (asked.url ?? "").replace(/^\/v1\.13\.1\//, "/v1.24/");
    const passed = request({
      socketPath: daemonSocket,
      method: asked.method,
      path: to,
      headers: asked.headers,
    });
    passed.once("response", (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(answer);
    });
    passed.once("error", () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
