// Containers on networks: at create, connected, disconnected, and refused.

import { step } from "../step.ts";

const sleeper = { Image: "busybox", Cmd: ["sleep", "1000"], StopSignal: "SIGKILL" };
const create = (name: string, network: string, endpoint: object = {}) =>
  step(`POST /containers/create?name=${name}`, {
    ...sleeper,
    HostConfig: { NetworkMode: network },
    NetworkingConfig: { EndpointsConfig: { [network]: endpoint } },
  });
const connect = (network: string, Container: string, EndpointConfig?: object) =>
  step(`POST /networks/${network}/connect`, { Container, ...(EndpointConfig && { EndpointConfig }) });
const disconnect = (network: string, Container: string, Force = false) =>
  step(`POST /networks/${network}/disconnect`, { Container, Force });
const at = (IPv4Address: string) => ({ IPAMConfig: { IPv4Address } });
const net = (Name: string, ...Config: readonly object[]) =>
  step("POST /networks/create", { Name, CheckDuplicate: true, IPAM: { Config } });
const look = (name: string) => step(`GET /containers/${name}/json`);
/** Made on the network, started if it can, and gone. */
const refused = (network: string, endpoint: object) => {
  const follows = create("refused", network, endpoint);
  return [
    follows,
    step("POST /containers/refused/start", undefined, { follows }),
    step("DELETE /containers/refused?force=1", undefined, { follows }),
  ];
};

export const networkConnectSteps = [
  net("na", {
    Subnet: "198.18.200.0/24",
    IPRange: "198.18.200.0/28",
    Gateway: "198.18.200.1",
    AuxiliaryAddresses: { a: "198.18.200.3" },
  }),
  net("nb"),
  step("POST /networks/create", { Name: "nc", Internal: true }),
  create("c1", "na", { ...at("198.18.200.9"), Aliases: ["one", "uno"] }),
  look("c1"),
  step("POST /containers/c1/start"),
  look("c1"),
  step("GET /networks/na"),
  ...refused("na", at("198.18.200.9")),
  ...refused("na", at("203.0.113.1")),
  ...refused("na", at("198.18.200.1")),
  ...refused("na", at("198.18.200.0")),
  ...refused("na", at("198.18.200.255")),
  ...refused("na", at("198.18.200.3")),
  ...refused("na", at("nonsense")),
  ...refused("na", { IPAMConfig: { IPv6Address: "2001:db8::5" } }),
  ...refused("na", { IPAMConfig: { IPv6Address: "nonsense" } }),
  ...refused("na", { IPAMConfig: { LinkLocalIPs: ["nonsense"] } }),
  ...refused("na", { MacAddress: "nonsense" }),
  ...refused("nb", at("10.0.0.9")),
  ...refused("na", { Links: ["nope:x"] }),
  connect("nb", "c1"),
  connect("nb", "c1"),
  look("c1"),
  connect("na", "c1"),
  connect("nc", "c1", { Aliases: ["in"] }),
  look("c1"),
  connect("host", "c1"),
  connect("none", "c1"),
  connect("nope", "c1"),
  connect("bridge", "c1", { Aliases: ["x"] }),
  connect("bridge", "c1", at("10.0.0.99")),
  connect("bridge", "c1"),
  look("c1"),
  step("GET /networks/bridge"),
  disconnect("bridge", "c1"),
  disconnect("bridge", "c1"),
  disconnect("bridge", "c1", true),
  disconnect("host", "c1"),
  disconnect("nope", "c1"),
  disconnect("nb", "nope"),
  disconnect("nb", "nope", true),
  step("DELETE /networks/na"),
  step("DELETE /networks/nb"),
  disconnect("nb", "c1"),
  step("DELETE /networks/nb"),
  create("c2", "na"),
  step("POST /containers/c2/start"),
  look("c2"),
  step("GET /networks/na"),
  step("POST /containers/c2/stop?t=0"),
  look("c2"),
  step("GET /networks/na"),
  connect("nc", "c2", { Aliases: ["later"] }),
  look("c2"),
  connect("nc", "c2"),
  disconnect("nc", "c2"),
  disconnect("nc", "c2"),
  disconnect("nc", "c2", true),
  look("c2"),
  step("DELETE /containers/c1?force=1"),
  // a stopped container's network may go
  step("DELETE /networks/na"),
  look("c2"),
  step("POST /containers/c2/start"),
  step("DELETE /containers/c2?force=1"),
  step("POST /containers/create?name=hosted", { ...sleeper, HostConfig: { NetworkMode: "host" } }),
  connect("nc", "hosted"),
  step("POST /containers/hosted/start"),
  look("hosted"),
  disconnect("host", "hosted"),
  disconnect("host", "hosted", true),
  step("GET /networks/host"),
  step("GET /containers/hosted/stats?stream=0"),
  step("DELETE /containers/hosted?force=1"),
  step("POST /containers/create?name=alone", { ...sleeper, HostConfig: { NetworkMode: "none" } }),
  step("POST /containers/alone/start"),
  look("alone"),
  connect("nc", "alone"),
  connect("none", "alone"),
  step("DELETE /containers/alone?force=1"),
  step("POST /containers/create?name=owner", sleeper),
  step("POST /containers/create?name=guest", { ...sleeper, HostConfig: { NetworkMode: "container:owner" } }),
  step("POST /containers/guest/start"),
  disconnect("bridge", "guest"),
  step("POST /containers/owner/start"),
  step("POST /containers/guest/start"),
  look("guest"),
  connect("nc", "guest"),
  step("DELETE /containers/guest?force=1"),
  step("POST /containers/create?name=guest", {
    ...sleeper,
    Hostname: "x",
    HostConfig: { NetworkMode: "container:owner" },
  }),
  step("POST /containers/create?name=guest", {
    ...sleeper,
    HostConfig: { NetworkMode: "container:owner", PortBindings: { "80/tcp": [{ HostPort: "80" }] } },
  }),
  step("POST /containers/create?name=guest", {
    ...sleeper,
    HostConfig: { NetworkMode: "container:owner", Dns: ["192.0.2.1"] },
  }),
  step("POST /containers/create?name=guest", {
    ...sleeper,
    HostConfig: { NetworkMode: "container:owner", ExtraHosts: ["a:192.0.2.1"] },
  }),
  step("POST /containers/create?name=guest", {
    ...sleeper,
    HostConfig: { NetworkMode: "container:owner", Links: ["owner"] },
  }),
  step("POST /containers/create?name=guest", {
    ...sleeper,
    ExposedPorts: { "80/tcp": {} },
    HostConfig: { NetworkMode: "container:owner" },
  }),
  step("POST /containers/create?name=guest", {
    ...sleeper,
    HostConfig: { NetworkMode: "container:owner", PublishAllPorts: true },
  }),
  step("DELETE /containers/guest?force=1"),
  step("DELETE /containers/owner?force=1"),
  step("POST /containers/create?name=p1", {
    ...sleeper,
    ExposedPorts: { "80/tcp": {} },
    HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "18081" }] } },
  }),
  step("POST /containers/create?name=p2", {
    ...sleeper,
    ExposedPorts: { "80/tcp": {} },
    HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "18081" }] } },
  }),
  step("POST /containers/p1/start"),
  look("p1"),
  step("POST /containers/p2/start"),
  look("p2"),
  step("DELETE /containers/p1?force=1"),
  step("POST /containers/p2/start"),
  step("DELETE /containers/p2?force=1"),
  step("POST /containers/create?name=all", {
    ...sleeper,
    ExposedPorts: { "80/tcp": {}, "81/udp": {} },
    HostConfig: { PublishAllPorts: true },
  }),
  step("POST /containers/all/start"),
  look("all"),
  step("DELETE /containers/all?force=1"),
  step("DELETE /networks/nc"),
];
