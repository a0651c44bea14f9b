// A member that admits, for tests: a cluster without etcd, with a real authority.

import { onTestFinished } from "vitest";
import { FakeCluster, type FakeHost } from "../../../../src/cluster/fake-cluster.ts";
import {
  type Admission,
  admissionsTable,
  type JoinTables,
  type Revocation,
  revocationsTable,
  tokensTable,
} from "../../../../src/cluster/join/admission.ts";
import { Admitting } from "../../../../src/cluster/join/admitting.ts";
import { defaultPorts } from "../../../../src/cluster/join/identity.ts";
import { parseToken } from "../../../../src/cluster/join/token.ts";
import { type TokenOptions, type TokenRecord, Tokens } from "../../../../src/cluster/join/tokens.ts";
import type { JoinRequest } from "../../../../src/cluster/join/wire.ts";
import {
  type Authority,
  type Credentials,
  certificateDigest,
  createAuthority,
  createRequest,
  type HostRole,
  signRequest,
} from "../../../../src/cluster/trust/index.ts";
import { parseAddress } from "../../../../src/netip/index.ts";
import { silentLog } from "../../../../src/util/log.ts";
import { FakeMembers } from "./fake-members.ts";

export const clusterId = "c0".repeat(16);
export const nodeIdOf = (digit: string) => digit.repeat(32);
export const address = (text: string) => {
  const parsed = parseAddress(text);
  if (!parsed) throw new TypeError(text);
  return parsed;
};
export const peerUrlOf = (text: string) => `https://${text}:2380`;

export interface Site {
  readonly cluster: FakeCluster;
  readonly host: FakeHost;
  readonly tables: JoinTables;
  readonly tokens: Tokens;
  readonly members: FakeMembers;
  readonly authority: Authority;
  readonly admitting: Admitting;
  time: number;
}

/** Host `a` at 192.0.2.1 is the only member. */
export async function createSite(): Promise<Site> {
  const cluster = new FakeCluster(clusterId);
  const host = await cluster.addNode(nodeIdOf("a"));
  const tables = {
    admissions: await host.table<Admission>(admissionsTable),
    revocations: await host.table<Revocation>(revocationsTable),
  };
  const members = new FakeMembers();
  members.seat(nodeIdOf("a"), peerUrlOf("192.0.2.1"));
  const site = { time: Date.now() };
  const now = () => new Date(site.time);
  const authority = await createAuthority(clusterId, { now: now() });
  const tokens = new Tokens(
    await host.table<TokenRecord>(tokensTable),
    certificateDigest(authority.certificate),
    now,
  );
  await tables.admissions.create(nodeIdOf("a"), admission("a", { seat: "member", wish: "member" }));
  const isAlive = (nodeId: string) => host.isAlive(nodeId);
  const admitting = new Admitting({
    clusterId,
    authority,
    tables,
    tokens,
    members,
    isAlive,
    log: silentLog,
    now,
    formerMs: 500,
  });
  onTestFinished(() => host.close());
  return Object.assign(site, { cluster, host, tables, tokens, members, authority, admitting });
}

let joined = 0;
export function admission(digit: string, more: Partial<Admission> = {}): Admission {
  return {
    nodeId: nodeIdOf(digit),
    name: `host-${digit}`,
    address: `192.0.2.${Number.parseInt(digit, 16) - 9}`,
    ports: defaultPorts,
    wish: "auto",
    seat: "node",
    joinedAt: new Date(1_700_000_000_000 + 1000 * ++joined).toISOString(),
    certificates: [],
    ...more,
  };
}

/** What a host says that joins with a new token. */
export async function joinRequest(
  site: Site,
  digit: string,
  { token, ...more }: Partial<JoinRequest> & { readonly options?: TokenOptions } = {},
): Promise<JoinRequest & { readonly key: string }> {
  const { request, key } = await createRequest(nodeIdOf(digit));
  const { name, address: text, ports, wish } = admission(digit);
  const { options, ...rest } = more;
  const own = token ?? parseToken(await site.tokens.create(options));
  const { id, secret } = own;
  return {
    token: { id, secret },
    request,
    key,
    nodeId: nodeIdOf(digit),
    name,
    address: address(text),
    ports,
    wish,
    ...rest,
  };
}

/** Keys of a host, signed by the site's authority. */
export async function credentialsOf(
  site: Site,
  digit: string,
  role: HostRole,
  at: string,
): Promise<Credentials> {
  const { request, key } = await createRequest(nodeIdOf(digit));
  const subject = { nodeId: nodeIdOf(digit), clusterId, role, addresses: [address(at)] };
  const certificate = await signRequest(site.authority, request, subject, { now: new Date(site.time) });
  return { authority: site.authority.certificate, certificate, key };
}
