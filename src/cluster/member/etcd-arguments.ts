// The command line of the cluster's etcd. Every listener has an address of the host's own and mutual TLS; there is none
// in the clear, not on loopback either.

import { memberName, type TrustPaths } from "../trust/index.ts";

export interface EtcdSpec {
  /** The member's name in etcd. */
  readonly nodeId: string;
  readonly clusterId: string;
  /** The host's own address, in text. */
  readonly address: string;
  readonly ports: { readonly client: number; readonly peer: number };
  readonly dataFolder: string;
  readonly trust: TrustPaths;
  /** etcd refuses writes beyond this size of its database. */
  readonly quotaBytes?: number;
  /** How much history is kept for those who were away, as a Go duration. */
  readonly retention?: string;
}

/** `new`: the first member of a cluster. `existing`: one that the cluster expects. `again`: one that has its data. */
export type EtcdStart =
  | { readonly kind: "new" }
  | { readonly kind: "existing"; readonly members: readonly InitialMember[] }
  | { readonly kind: "again" };

export interface InitialMember {
  readonly nodeId: string;
  readonly peerUrl: string;
}

const gibibyte = 1024 ** 3;

/** What is the same at every start: a process that runs with these need not be replaced. */
export function etcdArguments(spec: EtcdSpec): string[] {
  const { trust, quotaBytes = 2 * gibibyte, retention = "10m" } = spec;
  const [client, peer] = [clientUrl(spec), peerUrl(spec)];
  return Object.entries({
    name: spec.nodeId,
    "data-dir": spec.dataFolder,
    "listen-client-urls": client,
    "advertise-client-urls": client,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "client-cert-auth": "true",
    "client-crl-file": trust.revoked,
    "trusted-ca-file": trust.authority,
    "cert-file": trust.host,
    "key-file": trust.host,
    "peer-client-cert-auth": "true",
    "peer-crl-file": trust.revoked,
    "peer-trusted-ca-file": trust.authority,
    "peer-cert-file": trust.host,
    "peer-key-file": trust.host,
    // A plain node's certificate is of the same authority, and does not make it a peer.
    "peer-cert-allowed-hostname": memberName,
    // Else a peer must come from its advertised address, and a host may have several. The name above is what counts.
    "experimental-peer-skip-client-san-verification": "true",
    "strict-reconfig-check": "true",
    // A member that was cut off does not disturb the others' leader when it is back.
    "pre-vote": "true",
    "auto-compaction-mode": "periodic",
    "auto-compaction-retention": retention,
    "quota-backend-bytes": String(quotaBytes),
    // The default of 100,000 keeps that many entries in memory.
    "snapshot-count": "10000",
    "enable-grpc-gateway": "false",
    logger: "zap",
    "log-outputs": "stderr",
    "log-level": "info",
  }).map(([name, value]) => `--${name}=${value}`);
}

/** What only a member's first start needs. */
export function firstArguments(spec: EtcdSpec, start: EtcdStart): string[] {
  if (start.kind === "again") return [];
  const members = start.kind === "new" ? [{ nodeId: spec.nodeId, peerUrl: peerUrl(spec) }] : start.members;
  return [
    `--initial-cluster=${members.map((member) => `${member.nodeId}=${member.peerUrl}`).join(",")}`,
    `--initial-cluster-state=${start.kind}`,
    `--initial-cluster-token=${spec.clusterId}`,
  ];
}

export function clientUrl({ address, ports }: Pick<EtcdSpec, "address" | "ports">): string {
  return `https://${inUrl(address)}:${ports.client}`;
}

export function peerUrl({ address, ports }: Pick<EtcdSpec, "address" | "ports">): string {
  return `https://${inUrl(address)}:${ports.peer}`;
}

/** etcd takes options from its environment too, and Go a proxy: it gets none of ours. */
export function etcdEnvironment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    // 3.4 asks for this before it runs on arm64
    ...(process.arch === "x64" ? {} : { ETCD_UNSUPPORTED_ARCH: process.arch }),
  };
}

const inUrl = (address: string) => (address.includes(":") ? `[${address}]` : address);
