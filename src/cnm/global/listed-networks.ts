// Networks of the cluster on the controller's list: they appear and go, and their drivers are told, in turn.

import type { AddressLoss, IpamDriver, NetworkDriver } from "../../driverapi/index.ts";
import { formatAddress, sameAddress } from "../../netip/index.ts";
import type { Log } from "../../util/log.ts";
import type { DriverList } from "../driver-list.ts";
import { leaseAgain } from "../leases.ts";
import { Network, type NetworkEndpoint } from "../network.ts";
import type { Networks } from "../networks.ts";
import type { NetworkRecord } from "../records.ts";
import { type EndpointLoss, lossesOf } from "./losses.ts";
import type { NetworkPublication } from "./publication.ts";
import { Turns } from "./turns.ts";

export interface ListSurroundings {
  /** The controller's list, where they appear. */
  readonly networks: Networks;
  readonly drivers: Pick<DriverList<NetworkDriver>, "recall">;
  readonly ipamDrivers: Pick<DriverList<IpamDriver>, "recall">;
  /** Forgets what containers had on a network. */
  readonly forgetPlaces: (networkId: string) => Promise<void>;
  readonly lost: (loss: EndpointLoss) => void;
  readonly log: Log;
}

interface ListOptions extends ListSurroundings {
  /** The cluster's. */
  readonly ipam: IpamDriver;
  /** Of networks that this host makes. */
  readonly publication: NetworkPublication;
}

/** This host's list of them. */
export class ListedNetworks {
  readonly #around: ListOptions;
  /** What networks' drivers do. */
  readonly #turns: Turns;

  constructor(around: ListOptions) {
    this.#around = around;
    this.#turns = new Turns(around.log);
  }

  /** Resolves when drivers have done what they were told, of one network. */
  settled(networkId: string): Promise<void> {
    return this.#turns.settled(networkId);
  }

  allSettled(): Promise<void> {
    return this.#turns.allSettled();
  }

  all(): Network[] {
    return this.#around.networks.all().filter(({ record }) => record.scope === "global");
  }

  /** One that is on record: made by its driver, unless it is here already. */
  appear(record: NetworkRecord): void {
    const { networks, drivers, log } = this.#around;
    const known = networks.get(record.id);
    if (known) {
      this.#keep(known);
      return;
    }
    const own = this.#around.publication.underWay(record.id);
    if (own) {
      networks.add(own);
      return;
    }
    const driver = drivers.recall(record.driver);
    const ipam = this.#ipamOf(record);
    if (!driver || !ipam) {
      log.warn(
        { network: record.name, driver: record.driver },
        "a network of the cluster needs a driver that this host lacks",
      );
      return;
    }
    const network = new Network(record, driver, ipam);
    // whoever connects to it first waits for the driver
    network.isMissing = true;
    networks.add(network);
    this.#turns.take(record.id, "make a network of the cluster", async () => {
      if (networks.get(record.id) !== network) return;
      for (const pool of record.pools) await leaseAgain(ipam, pool, record);
      await network.makeAgain();
    });
  }

  /** It is on record no more. */
  delete(network: Network): void {
    const { id: networkId } = network;
    this.#unlist(network, "the network was removed");
    this.#turns.take(networkId, "delete a network of the cluster", async () => {
      await network.driver.deleteNetwork({ networkId });
      await this.#around.forgetPlaces(networkId);
    });
  }

  /** Others go on with it. */
  leave(network: Network): void {
    const { id: networkId } = network;
    this.#unlist(network, "the host has left the cluster");
    this.#turns.take(networkId, "forget a network of the cluster", async () => {
      await network.driver.forgetNetwork?.({ networkId });
      await this.#around.forgetPlaces(networkId);
    });
  }

  /** Endpoints whose address is another's now lose their place. */
  addressLost({ poolId, address, reason }: AddressLoss): void {
    const why = `${formatAddress(address)} is another's now: ${reason}`;
    const isLost = ({ addresses }: NetworkEndpoint) => addresses.some((own) => sameAddress(own, address));
    const isOfPool = ({ record }: Network) => record.pools.some((pool) => pool.poolId === poolId);
    for (const network of this.all().filter(isOfPool))
      for (const loss of lossesOf(network, why, isLost)) this.#around.lost(loss);
  }

  /** One that was here before this host entered the cluster again: its addresses are said to who hands them out now. */
  #keep(network: Network): void {
    const ipam = this.#ipamOf(network.record);
    if (!ipam || network.ipam === ipam || network.record.scope !== "global") return;
    network.ipam = ipam;
    this.#turns.take(network.id, "keep a network of the cluster", async () => {
      for (const pool of network.record.pools) await leaseAgain(ipam, pool, network.record);
      for (const { record } of network.endpoints.values()) {
        const { poolIpv4, poolIpv6, containerName: endpointName } = record;
        const { address, addressIpv6 } = record.interface;
        const onRecord = { purpose: "endpoint", endpointName, onRecord: true } as const;
        if (poolIpv4 && address)
          await ipam.requestAddress({ ...onRecord, poolId: poolIpv4, address: address.address });
        if (poolIpv6 && addressIpv6)
          await ipam.requestAddress({ ...onRecord, poolId: poolIpv6, address: addressIpv6.address });
      }
    });
  }

  #ipamOf({ ipam }: NetworkRecord): IpamDriver | undefined {
    return ipam.driver === "default" ? this.#around.ipam : this.#around.ipamDrivers.recall(ipam.driver);
  }

  #unlist(network: Network, reason: string): void {
    this.#around.networks.remove(network);
    for (const loss of lossesOf(network, reason)) this.#around.lost(loss);
  }
}
