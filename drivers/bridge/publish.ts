// Publishing: host ports reserved, translated by the firewall, and forwarded in user space where the kernel cannot.

import type {
  ExternalConnectivityRequest,
  Forward,
  Host,
  PortBinding,
  PortLease,
  PublishedPort,
} from "../../src/driverapi/index.ts";
import { type Address, type Family, isLoopback, isUnspecified } from "../../src/netip/index.ts";
import { Undo } from "../../src/util/undo.ts";
import type { BridgeConfig } from "./options.ts";
import { allowRules, type Mapping, publishRules } from "./rules.ts";

/** The container's end: its addresses on the bridge. */
export interface Target {
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
}

/** Where one binding goes: the host addresses to listen on, each with the container address that it leads to. */
interface Plan {
  readonly binding: PortBinding;
  readonly listeners: readonly { readonly host: Address; readonly target: Address }[];
  /** Reached directly, without a host port. */
  readonly routed: readonly Address[];
}

const everyIpv4: Address = { family: 4, value: 0n };
const everyIpv6: Address = { family: 6, value: 0n };

/** Publishes all of a request's ports or none. The undo closes them again, in an order that lets nobody in between. */
export async function publishPorts(
  host: Host,
  config: BridgeConfig,
  request: ExternalConnectivityRequest & { readonly target: Target },
): Promise<{ published: readonly PublishedPort[]; undo: Undo }> {
  await using undo = new Undo(host.log);
  const plans = planPorts(config, request, { hostHasIpv6: host.settings.ipv6 });
  const listening = plans.filter(({ listeners }) => listeners.length > 0);
  const leases = await reserve(host, listening);
  undo.defer("release host ports", () => {
    for (const lease of leases) lease.release();
  });
  const mappings = listening.map((plan, at) => mappingsOf(plan, leases[at]));
  const direct = plans.flatMap(({ binding, routed }) => routed.map((target) => ({ ...binding, target })));
  const owner = request.endpointId;
  undo.defer("remove rules of ports", () => host.firewall.set(owner, []));
  const flat = mappings.flat();
  const rules = [...publishRules(config.link, flat.filter(isTranslated)), ...allowRules(config.link, direct)];
  if (rules.length > 0) await host.firewall.set(owner, rules);
  const forwards = mappings.flatMap((list, at) => forwardsOf(list, leases[at], host.settings.userlandProxy));
  undo.defer("end forwards", () => host.forwarder.setForwards(owner, []));
  if (forwards.length > 0) await host.forwarder.setForwards(owner, forwards);
  return { published: [...flat.map(shown), ...direct.map(shownRouted)], undo: undo.move() };
}

function planPorts(
  config: BridgeConfig,
  request: ExternalConnectivityRequest & { readonly target: Target },
  { hostHasIpv6 }: { readonly hostHasIpv6: boolean },
): Plan[] {
  const { gateways, target } = request;
  const open: { readonly [F in Family]: Address | undefined } = {
    4: gateways.ipv4 ? target.ipv4 : undefined,
    6: gateways.ipv6 ? target.ipv6 : undefined,
  };
  const modes = { 4: config.modeIpv4, 6: config.modeIpv6 };
  const isTranslating = (family: Family) => modes[family] === "nat" || modes[family] === "nat-unprotected";
  const translated = { 4: isTranslating(4) ? open[4] : undefined, 6: isTranslating(6) ? open[6] : undefined };

  return request.portBindings.map((binding) => {
    const hosts = hostAddresses(binding, config, hostHasIpv6);
    const listeners = hosts.flatMap((host) => {
      // IPv6 clients of an IPv4-only container come through user space
      const fallback = host.family === 6 && !open[6] && !request.ipv6Elsewhere ? translated[4] : undefined;
      const leadsTo = translated[host.family] ?? fallback;
      return leadsTo ? [{ host, target: leadsTo }] : [];
    });
    const routed = ([4, 6] as const).flatMap((family) => {
      const address = modes[family] === "routed" ? open[family] : undefined;
      return address && hosts.some((host) => host.family === family) ? [address] : [];
    });
    return { binding, listeners, routed };
  });
}

/** Docker: a binding without an address takes the network's default; 0.0.0.0 there stands for both families. */
function hostAddresses(binding: PortBinding, config: BridgeConfig, hostHasIpv6: boolean): Address[] {
  if (binding.hostAddress) return [binding.hostAddress];
  const chosen = config.hostBinding;
  if (chosen && !(chosen.family === 4 && isUnspecified(chosen))) return [chosen];
  return hostHasIpv6 ? [everyIpv4, everyIpv6] : [everyIpv4];
}

function reserve(host: Host, plans: readonly Plan[]): Promise<PortLease[]> | PortLease[] {
  if (plans.length === 0) return [];
  return host.ports.reserve(
    plans.map(({ binding, listeners }) => ({
      protocol: binding.protocol,
      addresses: listeners.map((listener) => listener.host),
      ...(binding.hostPorts && { range: binding.hostPorts }),
    })),
  );
}

function mappingsOf({ binding, listeners }: Plan, lease: PortLease | undefined): Mapping[] {
  return listeners.map(({ host, target }) => ({
    protocol: binding.protocol,
    containerPort: binding.containerPort,
    hostAddress: host,
    hostPort: lease?.port ?? 0,
    target,
  }));
}

/** The kernel translates within a family, and never from ::1, which it does not let out of the loopback link. */
function isTranslated({ hostAddress, target }: Mapping): boolean {
  return hostAddress.family === target.family && !(hostAddress.family === 6 && isLoopback(hostAddress));
}

/** What is forwarded in user space: all that is not translated, [::] for the sake of ::1, or everything if asked. */
function forwardsOf(
  mappings: readonly Mapping[],
  lease: PortLease | undefined,
  everything: boolean,
): Forward[] {
  return mappings.flatMap((mapping) => {
    const { protocol, hostAddress, hostPort, target, containerPort } = mapping;
    const isIpv6Wildcard = hostAddress.family === 6 && isUnspecified(hostAddress);
    if (isTranslated(mapping) && !isIpv6Wildcard && !everything) return [];
    // the kernel has no proxying of SCTP to offer, and neither do we
    if (protocol === "sctp") return [];
    const socket = lease?.sockets.find(
      ({ address }) => address.family === hostAddress.family && address.value === hostAddress.value,
    );
    if (!socket) return [];
    return [
      {
        protocol,
        listen: hostAddress,
        listenPort: hostPort,
        socket: socket.fd,
        target,
        targetPort: containerPort,
      },
    ];
  });
}

function shown({ protocol, containerPort, hostAddress, hostPort }: Mapping): PublishedPort {
  return { protocol, containerPort, hostAddress, hostPort };
}

function shownRouted({
  protocol,
  containerPort,
  target,
}: PortBinding & { readonly target: Address }): PublishedPort {
  return { protocol, containerPort, hostAddress: target.family === 4 ? everyIpv4 : everyIpv6, hostPort: 0 };
}
