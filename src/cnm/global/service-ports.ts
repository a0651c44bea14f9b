// Published ports of services: which service has which port of the cluster is agreed upon with the service's own record.

import type { ClusterAccess, Entry, SharedTransaction } from "../../cluster/index.ts";
import { conflict, errorKind, invalid, notFound, unavailable } from "../../util/errors.ts";
import type { Networks } from "../networks.ts";
import {
  type GlobalTables,
  type IngressPortRecord,
  mostTries,
  partsOf,
  type ServiceRecord,
} from "./records.ts";
import type { PublishedService } from "./services.ts";

/** Far below what one transaction of etcd takes. */
const mostPorts = 100;

export interface PortsSurroundings {
  readonly cluster: ClusterAccess;
  readonly tables: GlobalTables;
  readonly networks: Networks;
}

/** @throws invalid; not-found; conflict when a port is another's; unavailable */
export async function publishPorts(
  around: PortsSurroundings,
  service: string,
  ports: readonly PublishedService[],
): Promise<void> {
  checkPorts(ports);
  const { tables } = around;
  await agree(around, service, (entry) => {
    for (const port of ports) checkFree(around, entry, port);
    const fresh = ports.filter((port) => !entry.value.published.some((own) => isSamePort(own, port)));
    if (fresh.length === 0) return undefined;
    const [networkId, name] = partsOf(service);
    const published = [...entry.value.published, ...fresh].toSorted(byPort);
    return (transaction) => {
      for (const port of fresh) transaction.create(tables.ports, portKey(port), { networkId, service: name });
      transaction.replace(tables.services, entry, { ...entry.value, published });
    };
  });
}

/** @throws not-found for the service, or when it has not all of these; unavailable */
export async function unpublishPorts(
  around: PortsSurroundings,
  service: string,
  ports: readonly PublishedService[],
): Promise<void> {
  const { tables } = around;
  await agree(around, service, (entry) => {
    const { published } = entry.value;
    for (const port of ports)
      if (!published.some((own) => isSamePort(own, port) && own.targetPort === port.targetPort))
        throw notFound(`service ${partsOf(service)[1]} does not publish ${portWords(port)}`);
    const kept = published.filter((own) => !ports.some((port) => isSamePort(own, port)));
    return (transaction) => {
      for (const port of ports) {
        const record = tables.ports.get(portKey(port));
        if (record && isOf(record, service)) transaction.delete(tables.ports, portKey(port));
      }
      transaction.replace(tables.services, entry, { ...entry.value, published: kept });
    };
  });
}

/** Ports on record of services that do not have them: of networks that were removed. @throws unavailable */
export async function sweepPorts({ cluster, tables }: PortsSurroundings): Promise<void> {
  for (const record of tables.ports.entries()) {
    const { networkId, service } = record.value;
    const key = `${networkId}/${service}`;
    const entry = tables.services.get(key);
    if (entry?.value.published.some((port) => portKey(port) === record.key)) continue;
    await cluster.commit((transaction) => {
      transaction.remove(tables.ports, record);
      if (entry) transaction.require(tables.services, entry);
      else transaction.requireNone(tables.services, key);
    });
  }
}

export function portKey({ protocol, publishedPort }: PublishedService): string {
  return `${protocol}/${publishedPort}`;
}

/** Changes a service that is there, again when another host was first. `change` says what is to be written; undefined: nothing. */
async function agree(
  { cluster, tables, networks }: PortsSurroundings,
  service: string,
  change: (entry: Entry<ServiceRecord>) => ((transaction: SharedTransaction) => void) | undefined,
): Promise<void> {
  const [networkId, name] = partsOf(service);
  const networkName = networks.get(networkId)?.name ?? networkId;
  for (let tries = 0; tries < mostTries; tries++) {
    const entry = tables.services.get(service);
    if (!entry || entry.value.change?.kind === "removing")
      throw notFound(`service ${name} not found on network ${networkName}`);
    const write = change(entry);
    if (!write) return;
    try {
      return await cluster.commit(write);
    } catch (error) {
      if (errorKind(error) === "unavailable")
        throw unavailable(`change the ports of service ${name}: the cluster's store is away`, error);
      if (errorKind(error) !== "conflict") throw error;
    }
  }
  throw unavailable(`change the ports of service ${name}: other hosts change it all the time`);
}

function checkPorts(ports: readonly PublishedService[]): void {
  if (ports.length === 0) throw invalid("publish a service: no port was given");
  if (ports.length > mostPorts) throw invalid(`publish a service: more than ${mostPorts} ports at a time`);
  for (const port of ports)
    for (const number of [port.publishedPort, port.targetPort])
      if (!Number.isInteger(number) || number < 1 || number > 65_535)
        throw invalid(`publish a service: ${number} is no port`);
  const keys = ports.map(portKey);
  const twice = keys.find((key, at) => keys.indexOf(key) !== at);
  if (twice !== undefined) throw invalid(`publish a service: port ${twice} is there twice`);
}

function checkFree(
  { tables, networks }: PortsSurroundings,
  { key, value }: Entry<ServiceRecord>,
  port: PublishedService,
): void {
  const taken = (why: string) => conflict(`publish ${portWords(port)}: ${why}`);
  const record = tables.ports.get(portKey(port));
  if (record && !isOf(record, key)) {
    const { networkId, service } = record.value;
    throw taken(`it is service ${service}'s of network ${networks.get(networkId)?.name ?? networkId}`);
  }
  const own = value.published.find((one) => isSamePort(one, port));
  if (own && own.targetPort !== port.targetPort)
    throw taken(`the service has it already, for its port ${own.targetPort}`);
}

function isOf({ value }: Entry<IngressPortRecord>, service: string): boolean {
  return `${value.networkId}/${value.service}` === service;
}

function isSamePort(a: PublishedService, b: PublishedService): boolean {
  return portKey(a) === portKey(b);
}

function byPort(a: PublishedService, b: PublishedService): number {
  return a.publishedPort - b.publishedPort || (a.protocol < b.protocol ? -1 : 1);
}

function portWords({ protocol, publishedPort }: PublishedService): string {
  return `port ${publishedPort}/${protocol}`;
}
