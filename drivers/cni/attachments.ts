// Attachments: a container's link on a network, as a chain of plugins makes it, checks it and takes it back.

import { statfs } from "node:fs/promises";
import type { EndpointOptions, Host, JoinRequest, JoinResponse } from "../../src/driverapi/index.ts";
import { chosenName, chosenSysctls } from "../../src/driverkit/index.ts";
import { formatAddress, formatPrefix, sameAddress } from "../../src/netip/index.ts";
import { hasCode, invalid } from "../../src/util/errors.ts";
import { Undo } from "../../src/util/undo.ts";
import { addChain, type Chain, checkChain, deleteChain, type RuntimeConfig } from "./chain.ts";
import { endpointArgs } from "./options.ts";
import type { Subject } from "./plugin.ts";
import type { Publications } from "./publications.ts";
import { type AttachmentRecord, type CniRecords, linkRun } from "./records.ts";
import { type Attached, readResult } from "./result.ts";

type Wishes = Pick<EndpointOptions, "macAddress" | "addresses" | "driverOpts">;

/** Kept by the driver. */
export class Attachments {
  readonly #host: Host;
  readonly #records: CniRecords;
  readonly #publications: Publications;
  /** What was answered in this life, by endpoint: a join that is repeated gets it again, and no second ADD. */
  readonly #answered = new Map<string, { readonly sandboxKey: string; readonly response: JoinResponse }>();

  constructor(host: Host, records: CniRecords, publications: Publications) {
    this.#host = host;
    this.#records = records;
    this.#publications = publications;
  }

  /** Runs ADD; what it answers with is on record before it resolves. On failure a DEL has been run. */
  async add(chain: Chain, request: JoinRequest, wishes: Wishes): Promise<JoinResponse> {
    const { networkId, endpointId, sandboxKey } = request;
    const answered = this.#answered.get(endpointId);
    if (answered?.sandboxKey === sandboxKey) return answered.response;
    // one that a crash cut short, or whose link has vanished
    await this.delete(chain, endpointId);
    const record: AttachmentRecord = {
      kind: "attachment",
      networkId,
      endpointId,
      subject: subjectOf(request, wishes),
      runtime: runtimeOf(wishes),
    };
    await using undo = new Undo(this.#host.log);
    // before: a daemon that dies now leaves what only a DEL takes back
    await this.#records.put(record);
    undo.defer("CNI DEL", () => this.delete(chain, endpointId));
    const result = await addChain(this.#host, chain, "links", linkRun(record));
    const attached = readResult(result, record.subject.ifName);
    checkGranted(chain, wishes, attached);
    await this.#records.put({ ...record, result });
    undo.forget();
    const response = answerOf(record.subject, attached, wishes);
    this.#answered.set(endpointId, { sandboxKey, response });
    return response;
  }

  /** Runs DEL, ports included, and forgets it; also when the ADD has not ended well. May be repeated. */
  async delete(chain: Chain, endpointId: string): Promise<void> {
    this.#answered.delete(endpointId);
    const attachment = this.#records.attachment(endpointId);
    await this.#publications.clear(chain, attachment, endpointId);
    if (!attachment) return;
    const { subject } = attachment;
    const netns = (await isNetns(subject.netns)) ? subject.netns : "";
    await deleteChain(this.#host, chain, "links", linkRun({ ...attachment, subject: { ...subject, netns } }));
    await this.#records.delete(endpointId);
  }

  /** Runs CHECK. @throws what is not as the ADD made it */
  async check(chain: Chain, endpointId: string): Promise<void> {
    const attachment = this.#records.attachment(endpointId);
    if (attachment) await checkChain(this.#host, chain, "links", linkRun(attachment));
  }
}

/** NSFS_MAGIC of linux/magic.h: a pin that was unmounted leaves a file behind. */
const nsfsMagic = 0x6e736673;

async function isNetns(path: string): Promise<boolean> {
  try {
    return (await statfs(path)).type === nsfsMagic;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

function subjectOf({ endpointId, sandboxKey, suggestedName }: JoinRequest, wishes: Wishes): Subject {
  const ipv4 = wishes.addresses?.find(({ family }) => family === 4) ?? wishes.addresses?.[0];
  const pairs = [
    // what a plugin does not know is no reason to fail
    "IgnoreUnknown=1",
    ipv4 && `IP=${formatAddress(ipv4)}`,
    wishes.macAddress && `MAC=${wishes.macAddress}`,
    wishes.driverOpts[endpointArgs],
  ];
  return {
    containerId: endpointId,
    netns: sandboxKey,
    ifName: chosenName(wishes.driverOpts) ?? suggestedName,
    args: pairs.filter((pair) => pair).join(";"),
  };
}

function runtimeOf({ macAddress, addresses = [] }: Wishes): RuntimeConfig {
  return {
    ...(macAddress && { mac: macAddress }),
    ...(addresses.length > 0 && { ips: addresses.map(formatAddress) }),
  };
}

/** Plugins pass over what they do not know: what a user asked for is looked for in what came out. */
function checkGranted(chain: Chain, { macAddress, addresses = [] }: Wishes, attached: Attached): void {
  const types = chain.conf.plugins.map(({ type }) => type).join(", ");
  const missing = addresses.find(
    (wish) => !attached.addresses.some(({ address }) => sameAddress(address, wish)),
  );
  if (missing) {
    const got = attached.addresses.map(formatPrefix).join(", ") || "none";
    throw invalid(
      `CNI network ${chain.conf.name} does not give the address ${formatAddress(missing)}, but ${got}: its plugins (${types}) take no wish (capability ips)`,
    );
  }
  const { macAddress: mac } = attached.interface;
  if (macAddress && mac && macAddress !== mac)
    throw invalid(
      `CNI network ${chain.conf.name} does not give the MAC ${macAddress}, but ${mac}: its plugins (${types}) take no wish (capability mac)`,
    );
}

function answerOf({ ifName }: Subject, attached: Attached, { driverOpts }: Wishes): JoinResponse {
  const { gateways, viaLink, dnsServers } = attached;
  return {
    interface: attached.interface,
    ...(attached.hasLink && {
      link: { srcName: ifName, dstPrefix: "eth", dstName: ifName, isComplete: true },
    }),
    ...(gateways[4] && { gateway: gateways[4] }),
    ...(gateways[6] && { gatewayIpv6: gateways[6] }),
    staticRoutes: viaLink,
    ...(dnsServers.length > 0 && { dnsServers }),
    // whether it leads out is what its author says
    disableGatewayService: true,
    sysctls: chosenSysctls(driverOpts),
  };
}
