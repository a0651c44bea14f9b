// The CNI driver: networks whose links are made by plugins of the Container Network Interface, unmodified: chains of
// programs that the host has, run with what the specification says.

import type {
  CreateEndpointRequest,
  CreateNetworkRequest,
  EndpointInterface,
  EndpointOptions,
  EndpointRef,
  ExternalConnectivityRequest,
  Host,
  JoinRequest,
  JoinResponse,
  NetworkDriver,
  NetworkDriverFactory,
  PublishedPort,
  SweepRequest,
} from "../../src/driverapi/index.ts";
import { errorMessage, notFound } from "../../src/util/errors.ts";
import { Attachments } from "./attachments.ts";
import { type Chain, checkReady, collectGarbage } from "./chain.ts";
import { ipamTypeOf } from "./conf.ts";
import { checkEndpoint, optionNames, optionPrefix, readOptions } from "./options.ts";
import { findPlugin, readVersions } from "./plugin.ts";
import { Publications } from "./publications.ts";
import { type AttachmentRecord, CniRecords } from "./records.ts";
import { chooseVersion } from "./versions.ts";

/** Builds the driver `cni`. */
const createCniDriver: NetworkDriverFactory = (host) => new CniDriver(host);

export default createCniDriver;

class CniDriver implements NetworkDriver {
  readonly name = "cni";
  readonly capabilities = {
    scope: "local",
    connectivityScope: "local",
    replay: true,
    findsAddresses: true,
  } as const;
  readonly networkOptions: ReadonlySet<string> = new Set([optionPrefix]);
  readonly #host: Host;
  readonly #records: CniRecords;
  readonly #publications: Publications;
  readonly #attachments: Attachments;
  readonly #options = new Map<string, EndpointOptions>();

  constructor(host: Host) {
    this.#host = host;
    this.#records = new CniRecords(host.records);
    this.#publications = new Publications(host, this.#records);
    this.#attachments = new Attachments(host, this.#records, this.#publications);
  }

  /** The configuration is read once: what is attached by it is taken back by it, whatever a file says later. */
  async createNetwork(request: CreateNetworkRequest): Promise<void> {
    const { networkId, networkName } = request;
    if (this.#records.network(networkId)) return;
    const { conf, ...place } = await readOptions(request);
    const types = [...new Set(conf.plugins.map(({ type }) => type))];
    // they are asked by the plugins, at the first ADD
    const ipamTypes = conf.plugins.map(ipamTypeOf).filter((type) => type !== undefined);
    await Promise.all(ipamTypes.map((type) => findPlugin(place.path, type)));
    const spoken = await Promise.all(
      types.map(async (type) => ({ type, versions: await readVersions(this.#host, place, type) })),
    );
    const chain = { ...place, conf, cniVersion: chooseVersion(conf.cniVersions, spoken) };
    await checkReady(this.#host, chain);
    await this.#records.put({ kind: "network", networkId, networkName, chain });
  }

  async deleteNetwork({ networkId }: { networkId: string }): Promise<void> {
    const network = this.#records.network(networkId);
    if (!network) return;
    const left = await this.#deleteAll(this.#attachmentsOf(networkId));
    // what never was made, since the configuration is wrong, cannot be unmade by it either
    const failed = left.filter(({ result }) => result === undefined);
    for (const { endpointId } of failed) await this.#records.delete(endpointId);
    // by it the next start tries again
    if (left.length === failed.length) await this.#records.delete(networkId);
  }

  checkEndpoint({ driverOpts }: Pick<EndpointOptions, "driverOpts">): void {
    checkEndpoint(driverOpts);
  }

  async createEndpoint(request: CreateEndpointRequest): Promise<EndpointInterface> {
    checkEndpoint(request.options.driverOpts);
    this.#chain(request.networkId);
    this.#options.set(request.endpointId, request.options);
    return request.interface;
  }

  /** What a DEL could not take back when the endpoint left is tried once more. */
  async deleteEndpoint({ networkId, endpointId }: EndpointRef): Promise<void> {
    this.#options.delete(endpointId);
    await this.leave({ networkId, endpointId });
  }

  async join(request: JoinRequest): Promise<JoinResponse> {
    const { networkId, endpointId } = request;
    const options = this.#options.get(endpointId);
    if (!options) throw notFound(`endpoint ${endpointId} not found`);
    return await this.#attachments.add(this.#chain(networkId), request, options);
  }

  async leave({ networkId, endpointId }: EndpointRef): Promise<void> {
    const network = this.#records.network(networkId);
    if (network) await this.#attachments.delete(network.chain, endpointId);
  }

  /** CNI has no repair: what a CHECK says is told, and the container goes on as it is. */
  async rejoin({ networkId, endpointId }: JoinRequest): Promise<void> {
    await this.#attachments.check(this.#chain(networkId), endpointId);
  }

  async programExternalConnectivity(request: ExternalConnectivityRequest): Promise<readonly PublishedPort[]> {
    const { networkId, endpointId } = request;
    const attachment = this.#records.attachment(endpointId);
    if (!attachment) throw notFound(`endpoint ${endpointId} has not joined`);
    return await this.#publications.set(this.#chain(networkId), attachment, request);
  }

  async revokeExternalConnectivity({ networkId, endpointId }: EndpointRef): Promise<void> {
    const chain = this.#records.network(networkId)?.chain;
    await this.#publications.clear(chain, this.#records.attachment(endpointId), endpointId);
  }

  async sweep({ networkIds, endpointIds }: SweepRequest): Promise<void> {
    await this.#deleteAll(
      this.#records.attachments().filter(({ endpointId }) => !endpointIds.has(endpointId)),
    );
    for (const { networkId } of this.#records.networks())
      if (!networkIds.has(networkId)) await this.deleteNetwork({ networkId });
    await this.#collectGarbage();
  }

  async effectiveOptions({ networkId }: { networkId: string }): Promise<Readonly<Record<string, string>>> {
    const { conf, cniVersion, path, timeoutMs } = this.#chain(networkId);
    return {
      [optionNames.conf]: JSON.stringify({ cniVersion, name: conf.name, plugins: conf.plugins }),
      [optionNames.path]: path.join(":"),
      [optionNames.timeout]: String(timeoutMs / 1000),
    };
  }

  /** Answers those that could not be taken back; they stay on record. */
  async #deleteAll(attachments: readonly AttachmentRecord[]): Promise<AttachmentRecord[]> {
    const left: AttachmentRecord[] = [];
    for (const attachment of attachments) {
      const { networkId, endpointId, subject } = attachment;
      this.#host.log.info({ endpoint: endpointId, link: subject.ifName }, "CNI DEL of what was left behind");
      try {
        await this.leave({ networkId, endpointId });
      } catch (error) {
        left.push(attachment);
        this.#host.log.warn(
          { endpoint: endpointId, reason: errorMessage(error) },
          "cannot take back what a CNI plugin made",
        );
      }
    }
    return left;
  }

  /** By the name that plugins know, which several networks may have. */
  async #collectGarbage(): Promise<void> {
    const byName = Map.groupBy(this.#records.networks(), ({ chain }) => chain.conf.name);
    for (const [name, networks] of byName) {
      const valid = networks.flatMap(({ networkId }) => this.#attachmentsOf(networkId));
      try {
        for (const { chain } of networks)
          await collectGarbage(
            this.#host,
            chain,
            valid.map(({ subject }) => subject),
          );
      } catch (error) {
        this.#host.log.warn({ network: name, reason: errorMessage(error) }, "CNI GC failed");
      }
    }
  }

  #attachmentsOf(networkId: string): AttachmentRecord[] {
    return this.#records.attachments().filter((attachment) => attachment.networkId === networkId);
  }

  #chain(networkId: string): Chain {
    const network = this.#records.network(networkId);
    if (!network) throw notFound(`network ${networkId} not found`);
    return network.chain;
  }
}
