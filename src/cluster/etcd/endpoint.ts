// Where an etcd member listens for clients, as people write it.

import { invalid } from "../../util/errors.ts";

/** `target` is gRPC's word for it; `isSecure` undefined: as the rest of the configuration says. */
export interface Endpoint {
  /** `host:port`, as it is shown. */
  readonly name: string;
  readonly host: string;
  readonly target: string;
  readonly isSecure: boolean | undefined;
}

const defaultPort = 2379;

/**
 * Reads `etcd://a:2379,b,[2001:db8::1]:2379`, `http://…`, `https://…` or `host:port`; several are parted by commas, and one
 * scheme is for all that follow it.
 *
 * @throws invalid
 */
export function parseEndpoints(text: string): Endpoint[] {
  let scheme: string | undefined;
  const endpoints = text.split(",").map((part) => {
    const match = /^(?:([a-z]+):\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]\s]+))(?::(\d{1,5}))?\/?$/.exec(
      part.trim(),
    );
    if (!match) throw invalid(`store endpoint ${part.trim() || "(empty)"}: not host:port`);
    const [, own, v6, name, port] = match;
    scheme = own ?? scheme;
    return endpointOf(v6 ?? name ?? "", Number(port ?? defaultPort), checkScheme(scheme, part));
  });
  return [...new Map(endpoints.map((endpoint) => [endpoint.name, endpoint])).values()];
}

function endpointOf(host: string, port: number, isSecure: boolean | undefined): Endpoint {
  if (port < 1 || port > 65_535) throw invalid(`store endpoint ${host}: no port ${port}`);
  const isV6 = host.includes(":");
  const name = `${isV6 ? `[${host}]` : host}:${port}`;
  const isV4 = /^[\d.]+$/.test(host);
  return { name, host, target: `${isV6 ? "ipv6" : isV4 ? "ipv4" : "dns"}:${name}`, isSecure };
}

function checkScheme(scheme: string | undefined, part: string): boolean | undefined {
  if (scheme === undefined || scheme === "etcd") return undefined;
  if (scheme === "http" || scheme === "https") return scheme === "https";
  throw invalid(`store endpoint ${part.trim()}: the scheme is etcd, http or https`);
}
