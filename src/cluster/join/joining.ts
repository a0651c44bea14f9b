// A host's way into a cluster: from a token and an address to a certificate of its own.

import { parseAddress } from "../../netip/index.ts";
import { conflict, unavailable, wrapError } from "../../util/errors.ts";
import { type Credentials, checkHostCertificate, createRequest, readAuthority } from "../trust/index.ts";
import { splitPort } from "./advertise.ts";
import { type ClusterIdentity, defaultPorts, type Ports } from "./identity.ts";
import { anyOf, ask, fetchAuthority, type Where } from "./join-client.ts";
import type { Wish } from "./seats.ts";
import { parseToken, type Token } from "./token.ts";
import { type JoinAnswer, paths } from "./wire.ts";

export interface JoinOptions {
  readonly token: string;
  /** Members, `address[:port]`; the first that answers. */
  readonly remotes: readonly string[];
  readonly advertise?: string;
  readonly listen?: string;
  readonly ports?: Partial<Ports>;
  /** To be a member, a plain node, or whatever the cluster needs; the latter unless given. */
  readonly wish?: Wish;
}

/** Who is joining. */
export interface Newcomer {
  readonly nodeId: string;
  readonly name: string;
  readonly address: string;
  readonly ports: Ports;
  readonly now: Date;
}

/** Leaves nothing behind when it fails, but for a use of the token. */
export async function joinCluster(
  options: JoinOptions,
  newcomer: Newcomer,
): Promise<{ readonly cluster: ClusterIdentity; readonly credentials: Credentials }> {
  const token = parseToken(options.token);
  const places = options.remotes.map(readRemote);
  try {
    return await anyOf(places, (where) => joinAt(where, token, options.wish ?? "auto", newcomer));
  } catch (error) {
    throw wrapError(error, "join the cluster");
  }
}

async function joinAt(where: Where, token: Token, wish: Wish, newcomer: Newcomer) {
  const { now, ...self } = newcomer;
  const authority = await fetchAuthority(where, token.digest, now);
  const { request, key } = await createRequest(self.nodeId);
  const { id, secret } = token;
  const body = { ...self, token: { id, secret }, request, wish };
  const answer = (await ask(where, paths.join, body, { authority })) as JoinAnswer;
  checkAnswer(answer, authority, newcomer);
  const { clusterId, certificate, members } = answer;
  return {
    credentials: { authority, certificate, key },
    cluster: {
      ...{ id: clusterId, role: "node" as const, wish: answer.wish, members },
      ...{ address: self.address, ports: self.ports },
    },
  };
}

// The authority vouches for who answers; what it answers is looked at all the same.
function checkAnswer(
  { certificate, clusterId, members }: JoinAnswer,
  authority: string,
  newcomer: Newcomer,
): void {
  const host = checkHostCertificate(certificate, authority, newcomer.now);
  if (host.clusterId !== clusterId || readAuthority(authority).clusterId !== clusterId)
    throw conflict("the answer is of another cluster than its authority");
  if (host.nodeId !== newcomer.nodeId) throw conflict("the certificate is another host's");
  if (
    !Array.isArray(members) ||
    members.length === 0 ||
    !members.every(({ address }) => parseAddress(address))
  )
    throw unavailable("the answer names no members");
}

function readRemote(text: string): Where {
  const { host, port = defaultPorts.join } = splitPort(text.trim());
  return { host, port };
}
