// Where the API listens, and with which certificates.

import { isAbsolute } from "node:path";
import { invalid } from "../util/errors.ts";
import type { Settings } from "./settings.ts";

export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

export interface TlsConfig {
  /** Clients must show a certificate of `ca`. */
  readonly verify: boolean;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The sockets of the API. @throws invalid for plain TCP that others than this machine could reach */
export function parseHosts(settings: Settings): ListenAddress[] {
  const given = settings.list("host");
  const wantsTls = settings.flag("tls") || settings.flag("tlsverify");
  const hosts = (given.length > 0 ? given : ["unix:///var/run/docker.sock"]).map((text) =>
    parseHost(text, wantsTls),
  );
  for (const host of hosts) {
    if (host.kind === "tcp" && !wantsTls && !isLoopbackName(host.host)) {
      throw invalid(
        `-H tcp://${host.host}:${host.port}: plain TCP would hand root on this machine to the network: listen on ` +
          "127.0.0.1, or use --tlsverify with --tlscacert, --tlscert and --tlskey",
      );
    }
  }
  return hosts;
}

/** @throws invalid when a file is missing for what is asked */
export function parseTls(settings: Settings): TlsConfig | undefined {
  const verify = settings.flag("tlsverify");
  if (!verify && !settings.flag("tls")) return undefined;
  const [ca, cert, key] = ["tlscacert", "tlscert", "tlskey"].map((flag) => settings.text(flag));
  if (!cert || !key) throw invalid("TLS needs --tlscert and --tlskey");
  if (verify && !ca) throw invalid("--tlsverify needs --tlscacert");
  return { verify, ca: ca ?? "", cert, key };
}

function isLoopbackName(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

function parseHost(text: string, wantsTls: boolean): ListenAddress {
  if (text.startsWith("unix://")) {
    const path = text.slice("unix://".length) || "/var/run/docker.sock";
    if (!isAbsolute(path)) throw invalid(`-H ${text}: the socket's path must be absolute`);
    return { kind: "unix", path };
  }
  const tcp = /^tcp:\/\/(?:\[([^\]]+)\]|([^:]*))(?::([0-9]+))?\/?$/.exec(text);
  if (!tcp) throw invalid(`invalid bind address (${text}): unix:///path or tcp://host:port is wanted`);
  const port = Number(tcp[3] ?? (wantsTls ? 2376 : 2375));
  if (port < 1 || port > 65535) throw invalid(`invalid bind address (${text}): port ${port} is out of range`);
  return { kind: "tcp", host: tcp[1] ?? (tcp[2] || "127.0.0.1"), port };
}
