// A bridge driver on a fake host, and what its tests ask of it.

import createBridgeDriver from "../../../drivers/bridge/index.ts";
import type {
  CreateNetworkRequest,
  HostSettings,
  NetworkDriver,
  PoolData,
  PortBinding,
} from "../../../src/driverapi/index.ts";
import { formatAddress, formatPortRange } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { address, prefix } from "../../lab/cnm/specs.ts";
import { createFakeHost, type FakeHost } from "./fake-host.ts";

export const networkId = "0123456789ab".padEnd(64, "c");
export const endpointId = "ba9876543210".padEnd(64, "d");
export const link = "br-0123456789ab";

export function poolData(pool: string, gateway: string, aux: Record<string, string> = {}): PoolData {
  const { length } = prefix(pool);
  return {
    addressSpace: "LocalDefault",
    pool: prefix(pool),
    gateway: { address: address(gateway), length },
    auxAddresses: Object.fromEntries(
      Object.entries(aux).map(([name, text]) => [name, { address: address(text), length }]),
    ),
  };
}

export const ipv4 = poolData("172.18.0.0/16", "172.18.0.1");
export const ipv6 = poolData("2001:db8::/64", "2001:db8::1");

export interface Wish {
  readonly id?: string;
  readonly generic?: Record<string, string>;
  readonly internal?: boolean;
  readonly v4?: PoolData | false;
  readonly v6?: PoolData;
}

export function request({
  id = networkId,
  generic = {},
  internal = false,
  v4 = ipv4,
  v6,
}: Wish = {}): CreateNetworkRequest {
  return {
    networkId: id,
    networkName: "x1",
    options: { enableIpv4: v4 !== false, enableIpv6: v6 !== undefined, internal, generic },
    ipv4Data: v4 ? [v4] : [],
    ipv6Data: v6 ? [v6] : [],
  };
}

export const option = (name: string, value: string) => ({ [`com.docker.network.${name}`]: value });

export async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof Error ? `${errorKind(error)}: ${error.message}` : "no failure";
}

export function build(settings: Partial<HostSettings> = {}): { host: FakeHost; driver: NetworkDriver } {
  const host = createFakeHost(settings);
  return { host, driver: createBridgeDriver(host) };
}

export interface EndpointWish extends Wish {
  readonly driverOpts?: Record<string, string>;
  readonly settings?: Partial<HostSettings>;
  readonly sysctls?: Readonly<Record<string, string>>;
}

export async function endpointOn(wish: EndpointWish = {}) {
  const { host, driver } = build(wish.settings);
  for (const [key, value] of Object.entries(wish.sysctls ?? {})) host.sysctls.set(key, value);
  await driver.createNetwork(request(wish));
  const created = await driver.createEndpoint({
    networkId,
    endpointId,
    interface: {
      ...(wish.v4 !== false && { address: prefix("172.18.0.2/16") }),
      ...(wish.v6 && { addressIpv6: prefix("2001:db8::2/64") }),
    },
    options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: wish.driverOpts ?? {} },
  });
  host.steps.transcript.length = 0;
  const join = () =>
    driver.join({ networkId, endpointId, sandboxKey: "/run/netns/c1", freeIndex: 2, suggestedName: "eth0" });
  return { host, driver, created, join };
}

export const tcp = (containerPort: number, hostPort?: number, hostAddress?: string): PortBinding => ({
  protocol: "tcp",
  containerPort,
  ...(hostPort && { hostPorts: { first: hostPort, last: hostPort } }),
  ...(hostAddress && { hostAddress: address(hostAddress) }),
});

/** So many in a row, on all IPv4 addresses. */
export const bind = (containerPort: number, hostPort: number, count: number): PortBinding => ({
  protocol: "tcp",
  containerPort,
  count,
  hostPorts: { first: hostPort, last: hostPort + count - 1 },
  hostAddress: address("0.0.0.0"),
});

/** An endpoint whose ports are published, and what that made. */
export async function publish(
  wish: EndpointWish,
  portBindings: readonly PortBinding[],
  part: { ipv6Elsewhere?: boolean } = {},
) {
  const made = await endpointOn(wish);
  await made.join();
  made.host.steps.transcript.length = 0;
  const program = () =>
    made.driver.programExternalConnectivity?.({
      networkId,
      endpointId,
      gateways: { ipv4: wish.v4 !== false, ipv6: wish.v6 !== undefined },
      ipv6Elsewhere: false,
      exposedPorts: [],
      portBindings,
      ...part,
    });
  const published = (await program()) ?? [];
  const shown = published.map(
    ({ hostAddress, hostPort, containerPort }) =>
      `${formatAddress(hostAddress)} ${hostPort} ${containerPort}`,
  );
  const forwards = (made.host.forwards.get(endpointId) ?? []).map(
    ({ listen, listenPorts, target, targetPort }) =>
      `${formatAddress(listen)} ${formatPortRange(listenPorts)} ${formatAddress(target)} ${targetPort}`,
  );
  return { ...made, program, shown, forwards, rules: made.host.rules.get(endpointId) ?? [] };
}
