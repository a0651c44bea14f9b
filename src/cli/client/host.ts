// Where the daemon listens: a unix socket, TCP, or TCP with TLS.

export type Endpoint =
  | { readonly kind: "unix"; readonly path: string; readonly url: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly url: string };

export const defaultHost = "unix:///var/run/docker.sock";

/** Parses `-H`: unix://path, tcp://host:port, host:port. Throws Docker's text for anything else. */
export function parseHost(text: string, useTls: boolean): Endpoint {
  const host = text.trim();
  const separator = host.indexOf("://");
  const scheme = separator < 0 ? "tcp" : host.slice(0, separator);
  const rest = separator < 0 ? host : host.slice(separator + 3);
  if (scheme === "unix") return unixEndpoint(rest || "/var/run/docker.sock");
  if (scheme === "tcp" || scheme === "http" || scheme === "https") return tcpEndpoint(rest, useTls);
  throw new Error(`invalid bind address format: ${host}`);
}

function unixEndpoint(path: string): Endpoint {
  return { kind: "unix", path, url: `unix://${path}` };
}

function tcpEndpoint(address: string, useTls: boolean): Endpoint {
  const fallback = useTls ? 2376 : 2375;
  const match = /^(\[[^\]]*\]|[^:/]*)(?::(\d*))?(\/.*)?$/.exec(address);
  const port = match?.[2] ? Number(match[2]) : fallback;
  if (!match || port > 65535) throw new Error(`invalid proto, expected tcp: ${address}`);
  const shown = match[1] || "localhost";
  const host = shown.replace(/^\[|\]$/g, "");
  return { kind: "tcp", host, port, url: `tcp://${shown}:${port}` };
}
