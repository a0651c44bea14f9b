// Port 53 of 127.0.0.11 inside a container, led to the resolver's own ports: a server in the container may then listen
// on port 53 of every address itself. As Docker does it, in a table of its own; but nothing is translated by conntrack,
// only port numbers are rewritten, both ways. That costs a third less, a full conntrack table does not end name
// resolution, and two questions at once from one socket do not race for an entry, at which one gets lost. And a chain for
// translation would have conntrack follow all that the container sends and receives, which is a tenth of what that costs.

import { protocolNumber } from "../../netip/index.ts";
import { hasCode } from "../../util/errors.ts";
import type { Request } from "../request.ts";
import { isMadeBy } from "./compare.ts";
import { differs, equals, noTrack, type Statement, setPort, verdict } from "./expression.ts";
import { field, hostNumber } from "./field.ts";
import { addChain, addRule, addTable, deleteTable } from "./request.ts";
import { openNftables } from "./socket.ts";
import { portField, type Table } from "./values.ts";

const table: Table = { family: "ip", name: "tsdocker-dns" };
const resolver = Uint8Array.of(127, 0, 0, 11);
const dnsPort = portField(53);
/** The index of `lo` in every namespace (LOOPBACK_IFINDEX in net/net_namespace.h). */
const loopback = hostNumber(1);

/** Where the resolver listens on 127.0.0.11. */
export interface DnsRedirect {
  readonly udp: number;
  readonly tcp: number;
}

/**
 * Leads 127.0.0.11:53 in the namespace (path of its file) to these ports, in place of what was set before; undefined
 * takes the redirection away. One transaction.
 */
export async function setDnsRedirect(netns: string, ports: DnsRedirect | undefined): Promise<void> {
  await using nftables = await openNftables(netns);
  const removal = [addTable(table), deleteTable(table)];
  if (!ports) return nftables.commit(removal);
  const redirect = dnsRedirectRequests(ports);
  try {
    await nftables.commit([addTable(table, { exclusive: true }), ...redirect]);
  } catch (error) {
    // deleting costs the kernel a wait of 10 to 20 ms: a new sandbox, where nothing is, must not pay for it
    if (!hasCode(error, "EEXIST")) throw error;
    // a sandbox that outlived the daemon has it already
    if (isMadeBy(redirect, await nftables.describe(table))) return;
    await nftables.commit([...removal, addTable(table), ...redirect]);
  }
}

/** What the table holds. */
export function dnsRedirectRequests(ports: DnsRedirect): Request[] {
  return [
    // before conntrack, at -200, sees them; loopback's packets all go out before they come in
    addChain(table, { name: "rewrite", hook: { type: "filter", at: "output", priority: -300 } }),
    // all that the container sends passes here
    addRule(table, "rewrite", [differs(field.outIndex, loopback), verdict("accept")]),
    ...(["udp", "tcp"] as const).flatMap((protocol) => rewrite(protocol, portField(ports[protocol]))),
  ];
}

function rewrite(protocol: "udp" | "tcp", port: Uint8Array): Request[] {
  const asked = [...toResolver(protocol, dnsPort), setPort(protocol, "target", port), noTrack];
  const answered = [...fromResolver(protocol, port), setPort(protocol, "source", dnsPort), noTrack];
  return [asked, answered].map((statements) => addRule(table, "rewrite", statements));
}

function toResolver(protocol: "udp" | "tcp", port: Uint8Array): Statement[] {
  return [equals(field.ipTarget, resolver), ...isPort(protocol, field.targetPort, port)];
}

function fromResolver(protocol: "udp" | "tcp", port: Uint8Array): Statement[] {
  return [equals(field.ipSource, resolver), ...isPort(protocol, field.sourcePort, port)];
}

function isPort(protocol: "udp" | "tcp", port: typeof field.targetPort, value: Uint8Array): Statement[] {
  return [equals(field.protocol, Uint8Array.of(protocolNumber[protocol])), equals(port, value)];
}
