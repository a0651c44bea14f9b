// A bridge that somebody else made: used as it is, and given back as it was. What was changed on it is noted in the
// driver's records first, so that the daemon after this one can take it back.

import type { Host } from "../../src/driverapi/index.ts";
import { formatPrefix, type Prefix, parsePrefix } from "../../src/netip/index.ts";
import { markedId } from "./mark.ts";
import type { BridgeConfig } from "./options.ts";

/** What the network added to the device. */
interface Note {
  readonly kind: "adopted";
  readonly link: string;
  /** Addresses that it did not have, with their lengths. */
  readonly addresses: readonly string[];
  /** Sysctls as they were. */
  readonly sysctls: Readonly<Record<string, string>>;
}

/** Whether the network was put on somebody else's bridge, now or before a restart. */
export function isAdopted(host: Pick<Host, "records">, networkId: string): boolean {
  return readNote(host, networkId) !== undefined;
}

/** What the host has on a bridge of that name that somebody else made. */
export async function presentAddresses(
  { netlink }: Pick<Host, "netlink">,
  name: string | undefined,
): Promise<Prefix[]> {
  const link = name === undefined ? undefined : await netlink.link(name);
  if (link?.kind !== "bridge" || markedId(link.alias) !== undefined) return [];
  return (await netlink.addresses({ link: link.index })).map(({ prefix }) => prefix);
}

/** Writes down what `addresses` and `sysctls` will change on a device with this index. */
export async function noteAdoption(
  host: Pick<Host, "records" | "netlink" | "sysctl">,
  { networkId, link }: BridgeConfig,
  wanted: {
    readonly index: number;
    readonly addresses: readonly Prefix[];
    readonly sysctls: Readonly<Record<string, string>>;
  },
): Promise<void> {
  // what is on record was noted when the device was still as its owner left it
  if (readNote(host, networkId)) return;
  const present = await addressTexts(host, wanted.index);
  const sysctls: Record<string, string> = {};
  for (const [key, value] of Object.entries(wanted.sysctls)) {
    const found = await host.sysctl.read(key);
    if (found !== undefined && found !== value) sysctls[key] = found;
  }
  const addresses = wanted.addresses.map(formatPrefix).filter((text) => !present.has(text));
  const note: Note = { kind: "adopted", link, addresses, sysctls };
  await host.records.put(networkId, note);
}

/** Takes back what was noted. Nothing happens for a network that adopted nothing; a device that is gone is no error. */
export async function releaseAdopted(
  host: Pick<Host, "records" | "netlink" | "sysctl" | "link">,
  networkId: string,
): Promise<void> {
  const note = readNote(host, networkId);
  if (!note) return;
  const { deleteAddress, unless } = host.link;
  const link = await host.netlink.link(note.link);
  if (link) {
    const requests = note.addresses.flatMap((text) => {
      const prefix = parsePrefix(text);
      return prefix ? [deleteAddress({ link: link.index, prefix })] : [];
    });
    if (requests.length > 0) await unless(["ENODEV", "EADDRNOTAVAIL"], host.netlink.send(...requests));
    await unless(["ENOENT"], host.sysctl.writeAll(note.sysctls));
  }
  await host.records.delete(networkId);
}

/** Addresses that the host has on a device, as text. */
async function addressTexts(host: Pick<Host, "netlink">, index: number): Promise<ReadonlySet<string>> {
  const addresses = await host.netlink.addresses({ link: index });
  return new Set(addresses.map(({ prefix }) => formatPrefix(prefix)));
}

function readNote(host: Pick<Host, "records">, networkId: string): Note | undefined {
  const note = host.records.get(networkId);
  const isNote = typeof note === "object" && note !== null && "kind" in note && note.kind === "adopted";
  return isNote ? (note as Note) : undefined;
}
