// The ingress of one network on this host: a sandbox on the network, as a container would have one, whose ports the host
// publishes and which leads them to the services' endpoints, wherever those are.

import { EngineError, errorMessage } from "../../util/errors.ts";
import type { Controller } from "../controller.ts";
import type { Network } from "../network.ts";
import type { Sandbox } from "../sandbox.ts";
import {
  bindingOf,
  type IngressPort,
  type IngressRules,
  ingressId,
  ingressSandbox,
  portKey,
} from "./ingress-spec.ts";

export interface IngressHands {
  readonly controller: Pick<Controller, "createSandbox" | "sandbox">;
  /** Leads ports of a namespace (path of its pin) on. */
  readonly setIngress: (netns: string, rules: IngressRules) => Promise<void>;
}

export interface IngressWish {
  readonly ports: readonly IngressPort[];
  /** Who sees clients as they are, once their answers come to this sandbox. */
  readonly directTargets: (ingress: Sandbox) => Promise<NonNullable<IngressRules["direct"]>>;
}

/** Ports that could not be opened, with the reason. */
export type Refusals = ReadonlyMap<IngressPort, string>;

/**
 * Opens these ports on this host and no others. Repeating a call changes nothing; not two at once for one network.
 * @throws what keeps the host from carrying the network
 */
export async function alignIngress(
  { controller, setIngress }: IngressHands,
  network: Network,
  { ports, directTargets }: IngressWish,
): Promise<Refusals> {
  const sandbox =
    controller.sandbox(ingressId(network.id)) ?? (await controller.createSandbox(ingressSandbox(network)));
  const link = sandbox.endpoints().find(({ networkId }) => networkId === network.id)?.interfaceName;
  if (link === undefined) throw new Error(`${sandbox.containerId} has no link on network ${network.name}`);
  // before the first packet comes
  await setIngress(sandbox.netnsPath, { link, ports, direct: await directTargets(sandbox) });
  return await openPorts(sandbox, ports);
}

/** Closes what is open of a network, if anything is. */
export async function endIngress({ controller }: IngressHands, networkId: string): Promise<void> {
  await controller.sandbox(ingressId(networkId))?.delete();
}

async function openPorts(sandbox: Sandbox, ports: readonly IngressPort[]): Promise<Refusals> {
  const isOpen = openIn(sandbox);
  if (ports.every(isOpen) && sandbox.spec.portBindings.length === ports.length) return new Map();
  const refusals = new Map<IngressPort, string>();
  if ((await publish(sandbox, ports)) !== undefined) await openOneByOne(sandbox, ports, refusals);
  const isOpenNow = openIn(sandbox);
  for (const port of ports)
    if (!isOpenNow(port) && !refusals.has(port)) refusals.set(port, "nothing leads out of the network here");
  return refusals;
}

/** One that is taken must not keep the others closed. */
async function openOneByOne(
  sandbox: Sandbox,
  ports: readonly IngressPort[],
  refusals: Map<IngressPort, string>,
): Promise<void> {
  let open = ports.filter(openIn(sandbox));
  await publish(sandbox, open);
  for (const port of ports) {
    if (open.includes(port)) continue;
    const reason = await publish(sandbox, [...open, port]);
    if (reason === undefined) open = [...open, port];
    else refusals.set(port, reason);
  }
}

/** Answers why it cannot. */
async function publish(sandbox: Sandbox, ports: readonly IngressPort[]): Promise<string | undefined> {
  try {
    await sandbox.setPorts({ exposedPorts: [], portBindings: ports.map(bindingOf), publishAll: false });
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Without the words of what was tried on the way: which endpoint it was for is nobody's business. */
function reasonOf(error: unknown): string {
  const { cause } = error instanceof EngineError ? error : {};
  return cause instanceof EngineError ? reasonOf(cause) : errorMessage(error);
}

function openIn(sandbox: Sandbox): (port: IngressPort) => boolean {
  const published = new Set(
    sandbox
      .publishedPorts()
      .flatMap(({ protocol, hostPort, count = 1 }) =>
        Array.from({ length: count }, (_, at) => portKey({ protocol, port: hostPort + at })),
      ),
  );
  return (port) => published.has(portKey(port));
}
