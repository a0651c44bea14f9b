// Port 53 of 127.0.0.11 inside a container, led to the resolver's own ports: a server in the container may then listen
// on port 53 of every address itself. As Docker does it, in a table of its own.

import { protocolNumber } from "../../netip/index.ts";
import { hasCode } from "../../util/errors.ts";
import type { Request } from "../request.ts";
import { dnatTo, equals, type Statement, snatTo } from "./expression.ts";
import { field } from "./field.ts";
import { addChain, addRule, addTable, deleteTable } from "./request.ts";
import { openNftables } from "./socket.ts";
import { portField, type Table } from "./values.ts";

const table: Table = { family: "ip", name: "tsdocker-dns" };
const resolver = Uint8Array.of(127, 0, 0, 11);
const dnsPort = portField(53);

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
    await nftables.commit([...removal, addTable(table), ...redirect]);
  }
}

/** What the table holds. */
export function dnsRedirectRequests(ports: DnsRedirect): Request[] {
  return [
    addChain(table, { name: "dnat", hook: { type: "nat", at: "output", priority: -100 } }),
    addChain(table, { name: "snat", hook: { type: "nat", at: "postrouting", priority: 100 } }),
    ...(["udp", "tcp"] as const).flatMap((protocol) => [
      addRule(table, "dnat", [
        equals(field.ipTarget, resolver),
        ...isPort(protocol, field.targetPort, dnsPort),
        dnatTo("ip", resolver, portField(ports[protocol])),
      ]),
      // what the resolver sends of itself looks as if it came from port 53; answers are translated back anyway
      addRule(table, "snat", [
        equals(field.ipSource, resolver),
        ...isPort(protocol, field.sourcePort, portField(ports[protocol])),
        snatTo("ip", resolver, dnsPort),
      ]),
    ]),
  ];
}

function isPort(protocol: "udp" | "tcp", port: typeof field.targetPort, value: Uint8Array): Statement[] {
  return [equals(field.protocol, Uint8Array.of(protocolNumber[protocol])), equals(port, value)];
}
