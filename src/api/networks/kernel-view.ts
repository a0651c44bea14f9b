// What `network inspect -v` shows of the kernel: links, endpoints, the firewall's rules.

import type { EndpointDetails, LinkDescription, NetworkDetails, PublishedPort } from "../../engine/types.ts";
import { formatAddress, formatPortRange, formatPrefix } from "../../netip/index.ts";
import type { KernelEndpoint, KernelLink, NetworkKernel } from "../schemas/network.ts";

/** What inspect shows with `verbose`: the kernel objects behind a network. */
export function kernelWire({ links, rules, endpoints }: NetworkDetails): NetworkKernel {
  return {
    Links: links.map(linkWire),
    Firewall: rules,
    Endpoints: Object.fromEntries(endpoints.map((it) => [it.endpointId, endpointWire(it)])),
  };
}

function linkWire({ role, name, index, mac, mtu, up, addresses }: LinkDescription): KernelLink {
  return {
    Role: role,
    Name: name,
    ...(index !== undefined && { Index: index }),
    ...(mac && { MacAddress: mac }),
    ...(mtu !== undefined && { MTU: mtu }),
    ...(up !== undefined && { Up: up }),
    ...(addresses && { Addresses: addresses.map(formatPrefix) }),
  };
}

function endpointWire(endpoint: EndpointDetails): KernelEndpoint {
  const { containerId, containerName, netnsPath, link, port, dnsNames, published, rules } = endpoint;
  return {
    Container: containerId,
    Name: containerName,
    ...(netnsPath !== undefined && { SandboxKey: netnsPath }),
    ...(link && { Interface: { Name: link.name, Index: link.index } }),
    ...(port && { Port: linkWire(port) }),
    DNSNames: dnsNames,
    Ports: published.map(portText),
    Firewall: rules,
  };
}

/** `0.0.0.0:8080-8090->80-90/tcp`; without a host's side where the container's own address is reached. */
function portText({ protocol, containerPort, hostAddress, hostPort, count = 1 }: PublishedPort): string {
  const range = (first: number) => formatPortRange({ first, last: first + count - 1 });
  const inside = `${range(containerPort)}/${protocol}`;
  if (hostPort === 0) return inside;
  const host = formatAddress(hostAddress);
  return `${hostAddress.family === 6 ? `[${host}]` : host}:${range(hostPort)}->${inside}`;
}
