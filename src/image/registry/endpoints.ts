// Where a repository's registry answers: mirrors first for Docker Hub, HTTPS first everywhere, plain HTTP only for
// loopback and for what the operator called insecure.

import { BlockList, isIP } from "node:net";

export interface Endpoint {
  /** `https://registry-1.docker.io`, without a slash at the end. */
  readonly base: string;
  /** False: any certificate will do. */
  readonly verifiesTls: boolean;
  readonly isMirror: boolean;
}

export interface EndpointOptions {
  /** `host`, `host:port` or CIDR. */
  readonly insecureRegistries?: readonly string[];
  /** Base URLs of mirrors of Docker Hub. */
  readonly registryMirrors?: readonly string[];
}

const hub = { domain: "docker.io", base: "https://registry-1.docker.io" };

/** The endpoints to try, in order, for pulling from (or, without mirrors, pushing to) a registry. */
export function endpointsOf(
  domain: string,
  options: EndpointOptions,
  purpose: "pull" | "push" = "pull",
): readonly Endpoint[] {
  if (domain === hub.domain) {
    const mirrors = purpose === "pull" ? (options.registryMirrors ?? []) : [];
    return [...mirrors.map((url) => mirror(url, options)), secure(hub.base)];
  }
  if (!isInsecure(domain, options.insecureRegistries ?? [])) return [secure(`https://${domain}`)];
  return [
    { base: `https://${domain}`, verifiesTls: false, isMirror: false },
    { base: `http://${domain}`, verifiesTls: false, isMirror: false },
  ];
}

/** True for loopback and for whatever the list names. */
export function isInsecure(domain: string, insecureRegistries: readonly string[]): boolean {
  const host = domain.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  if (host === "localhost" || insecureRegistries.includes(domain) || insecureRegistries.includes(host))
    return true;
  const family = isIP(host);
  if (family === 0) return false;
  const networks = new BlockList();
  for (const cidr of ["127.0.0.0/8", "::1/128", ...insecureRegistries]) addNetwork(networks, cidr);
  return networks.check(host, family === 6 ? "ipv6" : "ipv4");
}

function addNetwork(networks: BlockList, cidr: string): void {
  const [address = "", bits = ""] = cidr.split("/");
  const family = isIP(address);
  const max = family === 6 ? 128 : 32;
  if (family === 0 || !/^\d+$/.test(bits) || Number(bits) > max) return;
  networks.addSubnet(address, Number(bits), family === 6 ? "ipv6" : "ipv4");
}

function secure(base: string): Endpoint {
  return { base, verifiesTls: true, isMirror: false };
}

function mirror(url: string, options: EndpointOptions): Endpoint {
  const base = url.replace(/\/+$/, "");
  const host = base.replace(/^https?:\/\//, "");
  return { base, verifiesTls: !isInsecure(host, options.insecureRegistries ?? []), isMirror: true };
}
