// docker-proxy's form: one port per process, everything in flags, status on descriptor 3, the bound socket on
// descriptor 4 with -use-listen-fd. So it can be an engine's `userland-proxy-path`.

import { parkSocket } from "../kernel/parked.ts";
import { bindSocketsNow, closeFd } from "../kernel/socket.ts";
import { type Address, type Protocol, parseAddress, parsePort, parseProtocol } from "../netip/index.ts";
import { ForwardTable } from "./forward-table.ts";

export interface OnePort {
  readonly protocol: Protocol;
  readonly host: Address;
  readonly hostPort: number;
  readonly target: Address;
  readonly targetPort: number;
  /** The parent bound the socket and passed it as descriptor 4. */
  readonly usesListenFd: boolean;
}

const listenFd = 4;
const flags = ["proto", "host-ip", "host-port", "container-ip", "container-port"] as const;

/** Reads docker-proxy's flags (`-proto tcp`, `--proto=tcp`); undefined when there are none of them. Throws on bad ones. */
export function parseOnePort(args: readonly string[]): OnePort | undefined {
  const values = new Map<string, string>();
  let usesListenFd = false;
  let isOurs = false;
  for (let at = 0; at < args.length; at++) {
    const [, name = "", inline] = /^--?([a-z-]+)(?:=(.*))?$/.exec(args[at] ?? "") ?? [];
    if (name === "use-listen-fd") usesListenFd = inline !== "false";
    if (!flags.some((flag) => flag === name)) continue;
    isOurs = true;
    values.set(name, inline ?? args[++at] ?? "");
  }
  if (!isOurs) return undefined;
  const read = <T>(flag: (typeof flags)[number], parse: (text: string) => T | undefined): T => {
    const value = parse(values.get(flag) ?? "");
    if (value === undefined) throw new Error(`-${flag}: not valid: ${values.get(flag) ?? "missing"}`);
    return value;
  };
  return {
    protocol: read("proto", parseProtocol),
    host: read("host-ip", parseAddress),
    hostPort: read("host-port", parsePort),
    target: read("container-ip", parseAddress),
    targetPort: read("container-port", parsePort),
    usesListenFd,
  };
}

/** Serves until the returned function is called. Throws when the port cannot be had. */
export function serveOnePort(port: OnePort): () => void {
  const { protocol, host, hostPort, target, targetPort } = port;
  const spec = { protocol, address: host, port: hostPort, reuseAddress: protocol !== "udp" };
  const socket = port.usesListenFd ? listenFd : bindSocketsNow([spec])[0];
  if (socket === undefined) throw new Error("bind: no socket");
  const listenPorts = { first: hostPort, last: hostPort };
  const held = parkSocket(socket, { protocol, addresses: [host], ports: listenPorts });
  closeFd(socket);
  const table = new ForwardTable();
  table.set("port", [{ protocol, listen: host, listenPorts, target, targetPort }], [held]);
  // the forwarding thread alone does not keep the process
  const alive = setInterval(() => undefined, 2 ** 30);
  return () => {
    clearInterval(alive);
    table.close();
  };
}
