// Docker's Engine API over HTTP. The daemon hands an engine in; everything else is in here.

export type { BoundAddress, ListenAddress, ListenOptions, TlsFiles } from "./listeners.ts";
export { type Api, type ApiOptions, createApi } from "./server.ts";
export { formatVersion, maxVersion, minVersion } from "./version.ts";
