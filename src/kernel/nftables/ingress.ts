// The namespace by which connections from outside come to services of a network, as it is in force.

import { addressFromBytes, formatAddress, parseAddress } from "../../netip/index.ts";
import { openConntrack } from "../conntrack.ts";
import {
  type DirectTargets,
  type IngressPort,
  ingressElements,
  ingressFamilies,
  ingressRequests,
  ingressTable,
} from "./ingress-table.ts";
import { type Elements, settleTable } from "./settled-table.ts";

export interface Ingress {
  /** Name of the link that is on the services' network. */
  readonly link: string;
  readonly ports: readonly IngressPort[];
  /** Absent: every endpoint sees this namespace in the client's place. */
  readonly direct?: DirectTargets;
}

/**
 * Leads these ports of the namespace (path of its file), and no others, to endpoints, in one transaction. Connections to
 * one that serves no longer are cut. Repeating a call changes nothing.
 */
export async function setIngress(netns: string, { link, ports, direct }: Ingress): Promise<void> {
  const elements = ingressElements(ports, direct);
  const before = await settleTable(netns, {
    table: ingressTable,
    layout: ingressRequests(link),
    elements,
    sets: [...elements.keys()],
  });
  const served = targetsIn(elements);
  await cutFlows(
    netns,
    [...targetsIn(before).values()].filter(({ key }) => !served.has(key)),
  );
}

interface Target {
  readonly key: string;
  readonly protocol: number;
  readonly port: number;
  readonly address: string;
  readonly targetPort: number;
}

/** Each port with each of its endpoints. */
function targetsIn(elements: Elements): ReadonlyMap<string, Target> {
  const targets = ingressFamilies.flatMap((family) =>
    (elements.get(`ports${family}`) ?? []).flatMap(({ key, data }) =>
      data instanceof Uint8Array ? [targetOf(key, data)] : [],
    ),
  );
  return new Map(targets.map((target) => [target.key, target]));
}

function targetOf(key: Uint8Array, data: Uint8Array): Target {
  const bytes = Buffer.from(key);
  const behind = Buffer.from(data);
  const protocol = bytes.readUInt8(0);
  const port = bytes.readUInt16BE(4);
  const address = formatAddress(addressFromBytes(behind.subarray(0, behind.length - 4)));
  const targetPort = behind.readUInt16BE(behind.length - 4);
  return { key: `${protocol} ${port} ${address} ${targetPort}`, protocol, port, address, targetPort };
}

async function cutFlows(netns: string, targets: readonly Target[]): Promise<void> {
  if (targets.length === 0) return;
  await using conntrack = await openConntrack(netns);
  await conntrack.deleteAny(
    targets.flatMap(({ protocol, port, address, targetPort }) => {
      const replySource = parseAddress(address);
      if (!replySource) return [];
      const { family } = replySource;
      const filter = {
        family,
        protocol,
        originalDestinationPort: port,
        replySource,
        replySourcePort: targetPort,
      };
      return [{ filter, exact: [filter], among: [replySource], isUnwanted: () => true }];
    }),
  );
}
