// A driver behind a socket.

export { type ServedDriver, type ServedPlugin, type ServeOptions, servePlugin } from "./serve.ts";
