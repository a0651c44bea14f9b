// Connections as /proc/net/nf_conntrack tells them (ct_seq_show in nf_conntrack_standalone.c). Where they are few that is
// the fast way to look at them: the kernel passes over empty buckets there, and takes no lock.

import { addon } from "../../native/index.ts";
import { type Address, addressBytes, formatAddress, parseAddress, sameAddress } from "../netip/index.ts";
import type { ConntrackTuple, ToldConnection } from "./conntrack-messages.ts";

/** The lines, one for each connection; undefined where the kernel does not tell (CONFIG_NF_CONNTRACK_PROCFS). */
export async function conntrackLines(netns: string | undefined): Promise<string[] | undefined> {
  // the thread's own: /proc/net is that of the process
  const files = ["/proc/thread-self/net/nf_conntrack", undefined];
  const [text] = await addon()
    .netnsFiles(netns, files)
    .catch(() => []);
  return text?.split("\n").filter((line) => line !== "");
}

/** An address as the lines have it. */
export function lineAddress(address: Address): string {
  if (address.family === 4) return formatAddress(address);
  const hex = Buffer.from(addressBytes(address)).toString("hex");
  return (hex.match(/.{4}/g) ?? []).join(":");
}

/** Undefined for a line that does not say all there is to know: of another zone, or of a protocol with numbers of its own. */
export function readLine(line: string): ToldConnection | undefined {
  const [, , , protocolText = "", ...words] = line.split(/\s+/);
  const protocol = Number(protocolText);
  const values = Map.groupBy(
    words.map((word) => word.split("=", 2)).filter((pair) => pair.length === 2),
    ([key]) => key,
  );
  const value = (key: string, at: number) => values.get(key)?.[at]?.[1];
  const tuple = (at: 0 | 1): ConntrackTuple | undefined => {
    const source = parseAddress(value("src", at) ?? "");
    const destination = parseAddress(value("dst", at) ?? "");
    const [sourcePort, destinationPort] = [value("sport", at), value("dport", at)];
    return (
      source &&
      destination && {
        source,
        destination,
        protocol,
        ...(sourcePort !== undefined && { sourcePort: Number(sourcePort) }),
        ...(destinationPort !== undefined && { destinationPort: Number(destinationPort) }),
      }
    );
  };
  const [original, reply] = [tuple(0), tuple(1)];
  const isPlain = ["zone-orig", "zone-reply", "srckey"].every((key) => !values.has(key));
  if (!original || !reply || !isPlain || (value("zone", 0) ?? "0") !== "0") return undefined;
  const [type, code, id] = ["type", "code", "id"].map((key) => value(key, 0));
  const icmp = type !== undefined && { type: Number(type), code: Number(code), id: Number(id) };
  return {
    original,
    reply,
    mark: Number(value("mark", 0) ?? 0),
    isLedElsewhere: isLed(original, reply),
    ...(icmp && { icmp }),
  };
}

/** The kernel sets IPS_DST_NAT when a translation changes something (nf_nat_setup_info). */
function isLed(original: ConntrackTuple, reply: ConntrackTuple): boolean {
  return !sameAddress(original.destination, reply.source) || original.destinationPort !== reply.sourcePort;
}
