// What is asked of the cluster: from documents to the engine's values.

import type {
  ClusterFounding,
  ClusterJoining,
  ClusterPlace,
  ClusterRole,
  ClusterTokenRequest,
  ClusterWish,
} from "../../engine/types.ts";
import { hasHostBits, prefixFamily } from "../../netip/index.ts";
import { invalid } from "../../util/errors.ts";
import type { ClusterTokenInput, InitClusterRequest, JoinClusterRequest } from "../schemas/cluster.ts";
import { defined, nonEmpty, readPrefix } from "../text.ts";

/** @throws invalid, as all of these, by the field's name */
export function readFounding(request: InitClusterRequest): ClusterFounding {
  return { ...readPlace(request), subnetPools: (request.SubnetPools ?? []).map(readPool) };
}

export function readJoining(request: JoinClusterRequest): ClusterJoining {
  const token = request.JoinToken ?? "";
  if (token.trim() === "") throw invalid("invalid JoinToken: a join token is wanted");
  const remotes = (request.RemoteAddrs ?? []).filter((remote) => remote.trim() !== "");
  if (remotes.length === 0) throw invalid("invalid RemoteAddrs: at least one remote address is wanted");
  return { ...readPlace(request), token, remotes, wish: readWish(request.Role) };
}

export function readTokenRequest(request: ClusterTokenInput): ClusterTokenRequest {
  const { Lifetime: nanoseconds, Uses: uses } = request;
  if (nanoseconds !== undefined && nanoseconds < 0) throw invalid("invalid Lifetime: it is below zero");
  if (uses !== undefined && uses < 0) throw invalid("invalid Uses: it is below zero");
  return {
    admits: readRole(request.Role),
    rotate: request.Rotate ?? false,
    // 0 is what Go's clients send for "not given"
    ...(nanoseconds && { lifetimeMs: nanoseconds / 1e6 }),
    ...(uses && { uses }),
  };
}

function readPlace(request: {
  readonly AdvertiseAddr?: string;
  readonly ListenAddr?: string;
  readonly DataPort?: number;
}): ClusterPlace {
  const port = request.DataPort || undefined;
  if (port !== undefined && (port < 1 || port > 65_535))
    throw invalid(`invalid DataPort: ${port} is not a port`);
  return defined({
    advertise: nonEmpty(request.AdvertiseAddr),
    listen: nonEmpty(request.ListenAddr),
    dataPort: port,
  });
}

function readPool({ Base = "", Size = 0 }: { readonly Base?: string; readonly Size?: number }) {
  const base = readPrefix(Base, "subnet pool");
  if (hasHostBits(base)) throw invalid(`invalid subnet pool: ${Base} has host bits set`);
  const size = Size || (prefixFamily(base) === 4 ? 24 : 64);
  // a subnet without room for two hosts is none
  const most = prefixFamily(base) === 4 ? 30 : 126;
  if (size < base.length || size > most)
    throw invalid(`invalid subnet pool: ${Base} has no subnets of length ${size}`);
  return { base, size };
}

function readWish(text: string | undefined): ClusterWish {
  const role = text || "auto";
  return role === "auto" ? role : readRole(role);
}

function readRole(text: string | undefined): ClusterRole {
  const role = text || "member";
  if (role === "member" || role === "node") return role;
  throw invalid(`invalid Role: ${JSON.stringify(role)} is neither member nor node`);
}
