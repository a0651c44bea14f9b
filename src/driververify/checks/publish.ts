// Published ports: who gets which, what a taken one means, and that they are given back.

import type {
  EndpointRef,
  ExternalConnectivityRequest,
  PortBinding,
  PublishedPort,
} from "../../driverapi/index.ts";
import { type Check, must, onlyIf } from "../check.ts";
import type { Scene } from "../scene.ts";
import { show } from "../show.ts";
import { mustBeOfKind, refusal } from "./refusal.ts";

export function tcp(containerPort: number, hostPort?: number): PortBinding {
  const hostPorts = hostPort === undefined ? {} : { hostPorts: { first: hostPort, last: hostPort } };
  return { protocol: "tcp", containerPort, ...hostPorts };
}

export function wish(ref: EndpointRef, portBindings: readonly PortBinding[]): ExternalConnectivityRequest {
  return {
    ...ref,
    gateways: { ipv4: true, ipv6: true },
    ipv6Elsewhere: false,
    portBindings,
    exposedPorts: [],
  };
}

/** A member, and what publishing answers; not applicable for drivers that answer nothing of what they published. */
async function published(scene: Scene, bindings: readonly PortBinding[]) {
  const publish = scene.need("programExternalConnectivity");
  const member = await scene.connected(await scene.madeNetwork());
  const ports = await publish(wish(member.ref, bindings));
  return { ref: member.ref, ports, publish };
}

function mustAnswer(ports: readonly PublishedPort[]): void {
  onlyIf(ports.length > 0, "the driver does not say which ports it has published");
}

async function revoked(scene: Scene, ref: EndpointRef): Promise<void> {
  await scene.driver.revokeExternalConnectivity?.(ref);
}

const where = "NetworkDriver.programExternalConnectivity";

export const publishChecks: readonly Check<Scene>[] = [
  {
    id: "publish/answer",
    rule: "Publishing answers the ports that were asked for and no others.",
    where: "PublishedPort",
    async run(scene) {
      const { ref, ports } = await published(scene, [tcp(80, 18080), tcp(443, 18443)]);
      mustAnswer(ports);
      const strays = ports.filter(
        ({ protocol, containerPort, hostPort }) =>
          protocol !== "tcp" || hostPort !== { 80: 18080, 443: 18443 }[containerPort],
      );
      must(strays.length === 0, "18080 to 80 and 18443 to 443", () => show(strays));
      await revoked(scene, ref);
    },
  },
  {
    id: "publish/all",
    rule: "Every port that was asked for is answered.",
    where: "PublishedPort",
    async run(scene) {
      const { ref, ports } = await published(scene, [tcp(80, 18080), tcp(443, 18443)]);
      mustAnswer(ports);
      const missing = [80, 443].filter((port) => !ports.some(({ containerPort }) => containerPort === port));
      must(missing.length === 0, "80 and 443", () => `no ${missing.join(", ")}`);
      await revoked(scene, ref);
    },
  },
  {
    id: "publish/chosen",
    rule: "Where no host port is asked for the driver chooses one, the same on all addresses.",
    where: "PortBinding.hostPorts",
    async run(scene) {
      const { ref, ports } = await published(scene, [tcp(80)]);
      mustAnswer(ports);
      const chosen = new Set(ports.map(({ hostPort }) => hostPort));
      const [port = 0] = chosen;
      must(chosen.size === 1 && port > 0 && port < 65536, "one port", () => show(ports));
      await revoked(scene, ref);
    },
  },
  {
    id: "publish/address",
    rule: "A port that was asked for on one host address is published there alone.",
    where: "PortBinding.hostAddress",
    async run(scene) {
      const hostAddress = { family: 4 as const, value: 0x7f000001n };
      const { ref, ports } = await published(scene, [{ ...tcp(80, 18081), hostAddress }]);
      mustAnswer(ports);
      const strays = ports.filter((port) => show(port.hostAddress) !== show(hostAddress));
      must(strays.length === 0, "127.0.0.1", () => show(strays));
      await revoked(scene, ref);
    },
  },
  {
    id: "publish/range",
    rule: "Of a range of host ports the driver takes one that is free.",
    where: "PortBinding.hostPorts",
    async run(scene) {
      await using _taken = await scene.stage.occupyPort(18090);
      const binding = { ...tcp(80), hostPorts: { first: 18090, last: 18092 } };
      const { ref, ports } = await published(scene, [binding]);
      mustAnswer(ports);
      const strays = ports.filter(({ hostPort }) => hostPort !== 18091 && hostPort !== 18092);
      must(strays.length === 0, "18091 or 18092", () => show(strays));
      await revoked(scene, ref);
    },
  },
  {
    id: "publish/protocols",
    rule: "A port number can be published for TCP and for UDP.",
    where,
    async run(scene) {
      const udp = { ...tcp(80, 18082), protocol: "udp" as const };
      const { ref } = await published(scene, [tcp(80, 18082), udp]);
      await revoked(scene, ref);
    },
  },
  {
    id: "publish/nothing",
    rule: "Publishing nothing answers nothing.",
    where,
    async run(scene) {
      const { ref, ports } = await published(scene, []);
      must(ports.length === 0, "[]", () => show(ports));
      await revoked(scene, ref);
    },
  },
  {
    id: "publish/twice",
    rule: "Publishing what is published succeeds, with the same ports.",
    where,
    async run(scene) {
      const { ref, ports, publish } = await published(scene, [tcp(80, 18083)]);
      const again = await publish(wish(ref, [tcp(80, 18083)]));
      must(show(again) === show(ports), show(ports), () => show(again));
      await revoked(scene, ref);
    },
  },
  {
    id: "publish/taken",
    rule: "A host port that somebody else has is refused as a conflict.",
    where,
    async run(scene) {
      scene.needKinds();
      const { ref, publish } = await published(scene, []);
      await using _taken = await scene.stage.occupyPort(18084);
      const error = await refusal("a taken port", () => publish(wish(ref, [tcp(80, 18084)])));
      mustBeOfKind(error, ["conflict", "forbidden"], "a taken port");
    },
  },
  {
    id: "publish/taken-leaves-others",
    rule: "When one of several ports is taken none is published.",
    where,
    async run(scene) {
      scene.needKinds();
      const { ref, publish } = await published(scene, []);
      const before = await scene.stage.remains();
      await using _taken = await scene.stage.occupyPort(18086);
      await refusal("a taken port", () => publish(wish(ref, [tcp(80, 18085), tcp(81, 18086)])));
      await scene.mustBeClean("no port reserved and no rule made", before);
    },
  },
  {
    id: "publish/two-endpoints",
    rule: "Two endpoints cannot have one host port.",
    where,
    async run(scene) {
      const { ref, ports, publish } = await published(scene, [tcp(80, 18087)]);
      mustAnswer(ports);
      const network = { networkId: ref.networkId };
      const other = { ...network, endpointId: scene.endpoint(await scene.madeNetwork()).endpointId };
      await refusal("a port of another endpoint", () => publish(wish(other, [tcp(80, 18087)])));
      await revoked(scene, ref);
    },
  },
  {
    id: "publish/revoke",
    rule: "What is revoked is free again.",
    where: "NetworkDriver.revokeExternalConnectivity",
    async run(scene) {
      const revoke = scene.need("revokeExternalConnectivity");
      const { ref, publish } = await published(scene, []);
      const before = await scene.stage.remains();
      for (let round = 0; round < 2; round++) {
        await publish(wish(ref, [tcp(80, 18088)]));
        await revoke(ref);
      }
      await scene.mustBeClean("the host as it was before anything was published", before);
    },
  },
  {
    id: "publish/revoke-twice",
    rule: "Revoking what is not published succeeds, also for endpoints that never were.",
    where: "NetworkDriver.revokeExternalConnectivity",
    async run(scene) {
      const revoke = scene.need("revokeExternalConnectivity");
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
    async run(scene) {
      const publish = scene.need("programExternalConnectivity");
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      const member = await scene.connected(network);
      await publish(wish(member.ref, [tcp(80, 18079)]));
      await scene.disconnected(member);
      await scene.mustBeClean("the host as it was before the endpoint", before);
    },
  },
  {
    id: "publish/links",
    rule: "Links between endpoints can be set again, and go with their endpoint.",
    where: "NetworkDriver.setLinks",
    async run(scene) {
      const setLinks = scene.need("setLinks");
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const other = await scene.connected(network);
      const before = await scene.stage.remains();
      const member = await scene.connected(network);
      const links = [{ endpointId: other.ref.endpointId, ports: [{ protocol: "tcp" as const, port: 80 }] }];
      for (let round = 0; round < 2; round++) await setLinks({ ...member.ref, links });
      await scene.disconnected(member);
      await scene.mustBeClean("the host as it was before the endpoint", before);
    },
  },
];
