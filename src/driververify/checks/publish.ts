// Published ports: who gets which, what a taken one means, and that they are given back.

import type {
  EndpointRef,
  ExternalConnectivityRequest,
  PortBinding,
  PublishedPort,
} from "../../driverapi/index.ts";
import { type Check, must } from "../check.ts";
import { answeredPorts, kinds, member, type NetworkFacts } from "../network-needs.ts";
import type { Scene } from "../scene.ts";
import { show } from "../show.ts";
import { mustBeOfKind, refusal } from "./refusal.ts";

type PublishCheck = Check<Scene, NetworkFacts>;

export function tcp(containerPort: number, hostPort?: number): PortBinding {
  const hostPorts = hostPort === undefined ? {} : { hostPorts: { first: hostPort, last: hostPort } };
  return { protocol: "tcp", containerPort, ...hostPorts };
}

export function portWish(
  ref: EndpointRef,
  portBindings: readonly PortBinding[],
): ExternalConnectivityRequest {
  return {
    ...ref,
    gateways: { ipv4: true, ipv6: true },
    ipv6Elsewhere: false,
    portBindings,
    exposedPorts: [],
  };
}

const where = "NetworkDriver.programExternalConnectivity";
const needs = [member("programExternalConnectivity")];
const toTell = [...needs, answeredPorts];
const toRevoke = [...needs, member("revokeExternalConnectivity")];

/** A member, and what publishing answers. */
async function published(scene: Scene, bindings: readonly PortBinding[]) {
  const publish = scene.method("programExternalConnectivity");
  const { ref } = await scene.connected(await scene.madeNetwork());
  const ports = await publish(portWish(ref, bindings));
  return { ref, ports, publish, revoked: async () => await scene.driver.revokeExternalConnectivity?.(ref) };
}

/** A rule about what publishing answers; `occupied` is a host port that somebody else has. */
function portAnswer(
  facts: Pick<PublishCheck, "id" | "rule" | "where">,
  wish: { readonly bindings: readonly PortBinding[]; readonly occupied?: number },
  judge: (ports: readonly PublishedPort[]) => void,
): PublishCheck {
  return {
    ...facts,
    needs: wish.bindings.length > 0 ? toTell : needs,
    async run(scene) {
      const { occupied } = wish;
      await using _taken = occupied === undefined ? null : await scene.stage.occupyPort(occupied);
      const { ports, revoked } = await published(scene, wish.bindings);
      judge(ports);
      await revoked();
    },
  };
}

function mustHaveNone(strays: readonly unknown[], expected: string): void {
  must(strays.length === 0, expected, () => show(strays));
}

const localhost = { family: 4, value: 0x7f000001n } as const;
const web = [tcp(80, 18080), tcp(443, 18443)];

export const publishChecks: readonly PublishCheck[] = [
  portAnswer(
    {
      id: "publish/answer",
      rule: "Publishing answers the ports that were asked for and no others.",
      where: "PublishedPort",
    },
    { bindings: web },
    (ports) => {
      const hostPorts: Readonly<Record<number, number>> = { 80: 18080, 443: 18443 };
      const isStray = ({ protocol, containerPort, hostPort }: PublishedPort) =>
        protocol !== "tcp" || hostPort !== hostPorts[containerPort];
      mustHaveNone(ports.filter(isStray), "18080 to 80 and 18443 to 443");
    },
  ),
  portAnswer(
    { id: "publish/all", rule: "Every port that was asked for is answered.", where: "PublishedPort" },
    { bindings: web },
    (ports) => {
      const missing = [80, 443].filter((port) => !ports.some(({ containerPort }) => containerPort === port));
      must(missing.length === 0, "80 and 443", () => `no ${missing.join(", ")}`);
    },
  ),
  portAnswer(
    {
      id: "publish/chosen",
      rule: "Where no host port is asked for the driver chooses one, the same on all addresses.",
      where: "PortBinding.hostPorts",
    },
    { bindings: [tcp(80)] },
    (ports) => {
      const chosen = new Set(ports.map(({ hostPort }) => hostPort));
      const [port = 0] = chosen;
      must(chosen.size === 1 && port > 0 && port < 65536, "one port", () => show(ports));
    },
  ),
  portAnswer(
    {
      id: "publish/address",
      rule: "A port that was asked for on one host address is published there alone.",
      where: "PortBinding.hostAddress",
    },
    { bindings: [{ ...tcp(80, 18081), hostAddress: localhost }] },
    (ports) =>
      mustHaveNone(
        ports.filter(({ hostAddress }) => show(hostAddress) !== show(localhost)),
        "127.0.0.1",
      ),
  ),
  portAnswer(
    {
      id: "publish/range",
      rule: "Of a range of host ports the driver takes one that is free.",
      where: "PortBinding.hostPorts",
    },
    { bindings: [{ ...tcp(80), hostPorts: { first: 18090, last: 18092 } }], occupied: 18090 },
    (ports) =>
      mustHaveNone(
        ports.filter(({ hostPort }) => hostPort !== 18091 && hostPort !== 18092),
        "18091 or 18092",
      ),
  ),
  portAnswer(
    { id: "publish/nothing", rule: "Publishing nothing answers nothing.", where },
    { bindings: [] },
    (ports) => mustHaveNone(ports, "[]"),
  ),
  {
    id: "publish/protocols",
    rule: "A port number can be published for TCP and for UDP.",
    where,
    needs,
    async run(scene) {
      const udp = { ...tcp(80, 18082), protocol: "udp" as const };
      const { revoked } = await published(scene, [tcp(80, 18082), udp]);
      await revoked();
    },
  },
  {
    id: "publish/twice",
    rule: "Publishing what is published succeeds, with the same ports.",
    where,
    needs,
    async run(scene) {
      const { ref, ports, publish, revoked } = await published(scene, [tcp(80, 18083)]);
      const again = await publish(portWish(ref, [tcp(80, 18083)]));
      must(show(again) === show(ports), show(ports), () => show(again));
      await revoked();
    },
  },
  {
    id: "publish/taken",
    rule: "A host port that somebody else has is refused as a conflict.",
    where,
    needs: [...needs, kinds],
    async run(scene) {
      const { ref, publish } = await published(scene, []);
      await using _taken = await scene.stage.occupyPort(18084);
      const error = await refusal("a taken port", () => publish(portWish(ref, [tcp(80, 18084)])));
      mustBeOfKind(error, ["conflict", "forbidden"], "a taken port");
    },
  },
  {
    id: "publish/taken-leaves-others",
    rule: "When one of several ports is taken none is published.",
    where,
    needs: [...needs, kinds],
    async run(scene) {
      const { ref, publish } = await published(scene, []);
      const before = await scene.stage.remains();
      await using _taken = await scene.stage.occupyPort(18086);
      await refusal("a taken port", () => publish(portWish(ref, [tcp(80, 18085), tcp(81, 18086)])));
      await scene.mustBeClean("no port reserved and no rule made", before);
    },
  },
  {
    id: "publish/two-endpoints",
    rule: "Two endpoints cannot have one host port.",
    where,
    needs: toTell,
    async run(scene) {
      const { ref, publish, revoked } = await published(scene, [tcp(80, 18087)]);
      const { endpointId } = scene.endpoint(await scene.madeNetwork());
      const other = { networkId: ref.networkId, endpointId };
      await refusal("a port of another endpoint", () => publish(portWish(other, [tcp(80, 18087)])));
      await revoked();
    },
  },
  {
    id: "publish/revoke",
    rule: "What is revoked is free again.",
    where: "NetworkDriver.revokeExternalConnectivity",
    needs: toRevoke,
    async run(scene) {
      const { ref, publish, revoked } = await published(scene, []);
      const before = await scene.stage.remains();
      for (let round = 0; round < 2; round++) {
        await publish(portWish(ref, [tcp(80, 18088)]));
        await revoked();
      }
      await scene.mustBeClean("the host as it was before anything was published", before);
    },
  },
  {
    id: "publish/revoke-twice",
    rule: "Revoking what is not published succeeds, also for endpoints that never were.",
    where: "NetworkDriver.revokeExternalConnectivity",
    needs: toRevoke,
    async run(scene) {
      const revoke = scene.method("revokeExternalConnectivity");
      const { ref } = await published(scene, [tcp(80, 18089)]);
      for (let round = 0; round < 2; round++) await revoke(ref);
      const network = scene.network();
      await revoke({ networkId: network.networkId, endpointId: scene.endpoint(network).endpointId });
    },
  },
  {
    id: "publish/delete",
    rule: "Deleting an endpoint takes what it has published along.",
    where: "NetworkDriver.deleteEndpoint",
    needs,
    run: (scene) =>
      scene.mustLeaveNetwork(async (network) => {
        const connected = await scene.connected(network);
        await scene.method("programExternalConnectivity")(portWish(connected.ref, [tcp(80, 18079)]));
        await scene.disconnected(connected);
      }),
  },
  {
    id: "publish/links",
    rule: "Links between endpoints can be set again, and go with their endpoint.",
    where: "NetworkDriver.setLinks",
    needs: [member("setLinks")],
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const other = await scene.connected(network);
      const before = await scene.stage.remains();
      const own = await scene.connected(network);
      const links = [{ endpointId: other.ref.endpointId, ports: [{ protocol: "tcp" as const, port: 80 }] }];
      for (let round = 0; round < 2; round++) await scene.method("setLinks")({ ...own.ref, links });
      await scene.disconnected(own);
      await scene.mustBeClean("the host as it was before the endpoint", before);
    },
  },
];
