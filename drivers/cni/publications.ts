// Published ports of attachments: told to the plugins of their chain, changed while containers run, taken back.

import type { ExternalConnectivityRequest, Host, PublishedPort } from "../../src/driverapi/index.ts";
import { errorMessage, invalid } from "../../src/util/errors.ts";
import { addChain, type Chain, checkChain, deleteChain, type PortMapping, pluginsOf } from "./chain.ts";
import { mappingsOf, type OpenPorts, publishedOf, reservePorts, wishesOf } from "./ports.ts";
import { type AttachmentRecord, type CniRecords, portsRun } from "./records.ts";
import { readResult } from "./result.ts";

/** Kept by the driver. */
export class Publications {
  readonly #host: Host;
  readonly #records: CniRecords;
  readonly #open = new Map<string, readonly OpenPorts[]>();

  constructor(host: Host, records: CniRecords) {
    this.#host = host;
    this.#records = records;
  }

  /**
   * Makes these the endpoint's published ports, and no others; what is open already and stays is not touched.
   * @throws invalid when no plugin of the chain publishes ports; conflict when a port is taken; or what a plugin says
   */
  async set(
    chain: Chain,
    attachment: AttachmentRecord,
    request: ExternalConnectivityRequest,
  ): Promise<readonly PublishedPort[]> {
    const { endpointId, subject, result = {} } = attachment;
    const { address, addressIpv6 } = readResult(result, subject.ifName).interface;
    const wishes = wishesOf(request, { 4: address !== undefined, 6: addressIpv6 !== undefined });
    if (wishes.length > 0 && pluginsOf(chain, "ports").length === 0)
      throw invalid(
        `CNI network ${chain.conf.name} publishes no ports: its chain (${chain.conf.plugins.map(({ type }) => type).join(", ")}) has no plugin with the capability portMappings; add {"type": "portmap", "capabilities": {"portMappings": true}} to it`,
      );
    const before = this.#open.get(endpointId);
    const { open, undo } = await reservePorts(this.#host, wishes, before ?? []);
    try {
      await this.#tell(chain, attachment, { mappings: mappingsOf(open), isFirst: before === undefined });
      await this.#hold(endpointId, open);
    } catch (error) {
      await undo.dispose();
      throw error;
    }
    const leases = new Set(open.map(({ lease }) => lease));
    for (const { lease } of before ?? []) if (!leases.has(lease)) lease.release();
    return publishedOf(open);
  }

  /** Closes all of an endpoint's ports. May be repeated. @throws what a plugin says; the host ports are free all the same */
  async clear(
    chain: Chain | undefined,
    attachment: AttachmentRecord | undefined,
    endpointId: string,
  ): Promise<void> {
    try {
      if (chain && attachment?.ports) await this.#untell(chain, attachment);
    } finally {
      const open = this.#open.get(endpointId);
      if (open) await this.#hold(endpointId, []);
      for (const { lease } of open ?? []) lease.release();
      this.#open.delete(endpointId);
    }
  }

  /** What an earlier daemon told the plugins is looked at first: it may be there still. */
  async #tell(
    chain: Chain,
    attachment: AttachmentRecord,
    { mappings, isFirst }: { readonly mappings: readonly PortMapping[]; readonly isFirst: boolean },
  ): Promise<void> {
    const { ports: before = [] } = attachment;
    if (isSame(before, mappings) && (!isFirst || (await this.#isThere(chain, attachment)))) return;
    const old = await this.#untell(chain, attachment);
    if (mappings.length === 0) return;
    try {
      await this.#add(chain, old, mappings);
    } catch (error) {
      // as it was; what cannot be is in the log
      if (before.length > 0 && !isFirst)
        await this.#add(chain, old, before).catch((reason) => {
          this.#host.log.error(
            { endpoint: attachment.endpointId, reason: errorMessage(reason) },
            "cannot publish again",
          );
        });
      throw error;
    }
  }

  async #add(chain: Chain, attachment: AttachmentRecord, ports: readonly PortMapping[]): Promise<void> {
    const told = { ...attachment, ports };
    // before: a crash in between must find it
    await this.#records.put(told);
    try {
      await addChain(this.#host, chain, "ports", portsRun(told, ports));
    } catch (error) {
      await this.#untell(chain, told).catch((reason) => {
        this.#host.log.warn(
          { endpoint: attachment.endpointId, reason: errorMessage(reason) },
          "cannot take ports back",
        );
      });
      throw error;
    }
  }

  /** Answers the attachment without ports, as it is on record then. */
  async #untell(chain: Chain, attachment: AttachmentRecord): Promise<AttachmentRecord> {
    const { ports, ...bare } = attachment;
    if (!ports) return bare;
    await deleteChain(this.#host, chain, "ports", portsRun(attachment, ports));
    await this.#records.put(bare);
    return bare;
  }

  async #isThere(chain: Chain, attachment: AttachmentRecord): Promise<boolean> {
    const { ports, endpointId } = attachment;
    if (!ports) return true;
    try {
      await checkChain(this.#host, chain, "ports", portsRun(attachment, ports));
      return true;
    } catch (error) {
      // some versions of portmap ask for rules of a family that the container does not have
      this.#host.log.info(
        { endpoint: endpointId, reason: errorMessage(error) },
        "published ports are not as they were made: publishing them again",
      );
      return false;
    }
  }

  /** The proxy keeps the ports while there is no daemon. */
  async #hold(endpointId: string, open: readonly OpenPorts[]): Promise<void> {
    this.#open.set(endpointId, open);
    await this.#host.forwarder.setForwards(
      endpointId,
      [],
      open.flatMap(({ lease }) => lease.parked),
    );
  }
}

function isSame(a: readonly PortMapping[], b: readonly PortMapping[]): boolean {
  const textOf = (mappings: readonly PortMapping[]) =>
    mappings
      .map(
        ({ hostPort, containerPort, protocol, hostIP = "" }) =>
          `${protocol} ${hostIP} ${hostPort} ${containerPort}`,
      )
      .sort()
      .join("\n");
  return textOf(a) === textOf(b);
}
