// The address under which a host is known to the others: given as an interface, an address, or an address with a port.

import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import {
  type Address,
  formatAddress,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseAddress,
  parsePort,
  sameAddress,
} from "../../netip/index.ts";
import { invalid } from "../../util/errors.ts";

export type Interfaces = NodeJS.Dict<readonly Pick<NetworkInterfaceInfo, "address">[]>;

export interface Advertised {
  readonly address: Address;
  /** Of the join listener, when one was given. */
  readonly port?: number;
}

/**
 * The host's own address that `text` means: `eth0` is that interface's (IPv4 before IPv6), an address must be one that
 * an interface has; without text it is the only one there is.
 * @throws invalid, naming what the host has
 */
export function resolveAdvertise(
  text: string | undefined,
  interfaces: Interfaces = networkInterfaces(),
): Advertised {
  const own = ownAddresses(interfaces);
  if (text === undefined || text === "") return { address: onlyAddress(own) };
  if (interfaces[text]) return { address: addressOf(text, own) };
  const { host, port } = splitPort(text);
  const address = parseAddress(host);
  if (!address) {
    if (interfaces[host]) return { address: addressOf(host, own), ...(port !== undefined && { port }) };
    throw invalid(`advertise ${text}: neither an address nor an interface of this host (${describe(own)})`);
  }
  checkUsable(text, address);
  if (!own.some((mine) => sameAddress(mine.address, address)))
    throw invalid(`advertise ${text}: no interface of this host has this address (${describe(own)})`);
  return { address, ...(port !== undefined && { port }) };
}

/**
 * Where to listen, given like the advertise address; `0.0.0.0` and `::` mean every address the host has.
 * @throws invalid
 */
export function resolveListen(
  text: string,
  port: number,
  interfaces: Interfaces = networkInterfaces(),
): { readonly address: string; readonly port: number } {
  const { host, port: own = port } = splitPort(text);
  const address = parseAddress(host);
  if (address && isUnspecified(address)) return { address: formatAddress(address), port: own };
  return { address: formatAddress(resolveAdvertise(text, interfaces).address), port: own };
}

/** @throws invalid for an address that other hosts cannot reach */
export function checkUsable(text: string, address: Address): void {
  const kind = [
    { is: isLoopback, name: "a loopback address" },
    { is: isUnspecified, name: "not an address of any host" },
    { is: isMulticast, name: "a multicast address" },
    { is: isLinkLocal, name: "a link-local address" },
  ].find(({ is }) => is(address));
  if (kind) throw invalid(`advertise ${text}: ${kind.name}: other hosts cannot reach this one by it`);
}

interface OwnAddress {
  readonly link: string;
  readonly address: Address;
}

function ownAddresses(interfaces: Interfaces): OwnAddress[] {
  return Object.entries(interfaces).flatMap(([link, infos]) =>
    (infos ?? []).flatMap((info) => {
      const address = parseAddress(info.address);
      return address && !isLoopback(address) && !isLinkLocal(address) ? [{ link, address }] : [];
    }),
  );
}

function addressOf(link: string, own: readonly OwnAddress[]): Address {
  const here = own.filter((mine) => mine.link === link);
  const found = here.find(({ address }) => address.family === 4) ?? here[0];
  if (!found) throw invalid(`advertise ${link}: the interface has no address that other hosts could reach`);
  return found.address;
}

function onlyAddress(own: readonly OwnAddress[]): Address {
  const [first, ...more] = own.filter(({ address }) => address.family === 4);
  const found = first ?? own[0];
  if (!found) throw invalid("advertise: this host has no address that other hosts could reach");
  if (more.length > 0 || (!first && own.length > 1))
    throw invalid(
      `advertise: this host has several addresses (${describe(own)}): say which one with --advertise`,
    );
  return found.address;
}

function describe(own: readonly OwnAddress[]): string {
  const list = own.map(({ link, address }) => `${link} ${formatAddress(address)}`);
  return list.length > 0 ? `it has: ${list.join(", ")}` : "it has none";
}

/** `a:port`, `[a6]:port`, `a`, `a6`, `[a6]`; a name instead of an address is as good. */
export function splitPort(text: string): { readonly host: string; readonly port?: number } {
  const [, inner, outer, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::([0-9]+))?$/.exec(text) ?? [];
  const host = inner ?? outer;
  if (host === undefined) return { host: text };
  if (digits === undefined) return { host };
  const port = parsePort(digits);
  if (!port) throw invalid(`${text}: ${digits} is not a port`);
  return { host, port };
}
