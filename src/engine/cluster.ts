// The cluster: forming, joining and leaving one, its hosts, and the tokens that admit more.

import { conflict, errorKind, invalid, notFound, unavailable } from "../util/errors.ts";
import type { KeyedLock } from "../util/keyed-lock.ts";
import type { Membership } from "./membership.ts";
import type {
  ClusterHealth,
  ClusterNodeView,
  ClusterOperations,
  ClusterTokenRequest,
  ClusterView,
  ClusterWarning,
} from "./types.ts";

/** A container that runs on a network which other hosts have too. */
export interface NetworkUser {
  readonly container: string;
  readonly network: string;
}

export interface ClusterParts {
  readonly membership: Membership;
  readonly locks: KeyedLock;
  /** Those that lose their network when this host leaves. */
  readonly users: () => readonly NetworkUser[];
  /** Besides those of the membership. */
  readonly warnings: () => readonly ClusterWarning[];
  /** One that has ended meanwhile is success. */
  readonly stop: (container: string) => Promise<void>;
}

/** One at a time: each changes what the others ask about. */
export function clusterOperations(context: ClusterParts): ClusterOperations {
  const { membership } = context;
  const alone = <T>(work: () => Promise<T>): Promise<T> => context.locks.run("cluster", work);
  return {
    init: (founding) =>
      alone(async () => {
        checkOutside(membership);
        await membership.found(founding);
        const invitation = await membership.createToken({ admits: "member" });
        return { nodeId: viewOf(membership).nodeId, invitation };
      }),
    join: (joining) =>
      alone(async () => {
        checkOutside(membership);
        if (joining.remotes.length === 0) throw invalid("join a cluster: the address of a member is wanted");
        const role = await membership.join(joining);
        return { nodeId: viewOf(membership).nodeId, role };
      }),
    leave: (options) => alone(() => leave(context, options)),
    async inspect() {
      const view = viewOf(membership);
      return { ...view, warnings: [...view.warnings, ...context.warnings()] };
    },
    health: () => healthOf(membership),
    removeNode: (ref, options) => alone(() => removeNode(membership, ref, options)),
    async tokens() {
      viewOf(membership);
      return membership.tokens();
    },
    createToken: (request) => alone(() => createToken(membership, request)),
  };
}

/** Docker's words for a swarm, for a cluster. */
function viewOf(membership: Membership): ClusterView {
  const view = membership.view();
  if (view) return view;
  throw conflict(
    'this host is in no cluster: form one with "tsdocker cluster init", join one with "tsdocker cluster join", ' +
      "or start the daemon with --cluster-store",
  );
}

function checkOutside(membership: Membership): void {
  const view = membership.view();
  if (!view) return;
  throw conflict(
    view.store.kind === "external"
      ? `this host is in the cluster of ${view.store.address} (--cluster-store)`
      : 'this host is already part of a cluster. Use "tsdocker cluster leave" to leave this cluster and join another one',
  );
}

async function healthOf(membership: Membership): Promise<ClusterHealth | undefined> {
  if (viewOf(membership).state === "frozen") return undefined;
  try {
    return await membership.health();
  } catch (error) {
    // who asks how the store is gets an answer also when it has just gone away
    if (errorKind(error) === "unavailable") return undefined;
    throw error;
  }
}

async function leave(context: ClusterParts, { force }: { readonly force: boolean }): Promise<void> {
  const { membership } = context;
  const view = viewOf(membership);
  if (view.store.kind === "external")
    throw conflict(
      `leave the cluster: the daemon was started with --cluster-store ${view.store.address}; start it without`,
    );
  const users = context.users();
  if (!force) {
    checkUnused(users);
    checkMembers(view);
  }
  await Promise.all(users.map(({ container }) => context.stop(container)));
  await membership.leave({ force });
}

function checkUnused(users: readonly NetworkUser[]): void {
  if (users.length === 0) return;
  const named = users.slice(0, 3).map(({ container, network }) => `${container} on ${network}`);
  const more = users.length > 3 ? ` and ${users.length - 3} more` : "";
  throw conflict(
    `leave the cluster: containers use its networks (${named.join(", ")}${more}): ` +
      "stop them, or use --force to have them stopped",
  );
}

/** What a cluster loses with a member: all of itself with the last one, its majority with one of two. */
function checkMembers({ nodes, nodeId, state, trouble }: ClusterView): void {
  const members = nodes.filter(({ role }) => role === "member");
  if (members.length === 1 && members[0]?.id === nodeId)
    throw conflict(
      nodes.length === 1
        ? "leave the cluster: this is its only host, and its networks and tokens end with it. Use --force to go on"
        : `leave the cluster: this is its only member, and its ${nodes.length - 1} other hosts lose their store with it. ` +
            "Use --force to go on",
    );
  checkReachable(state, trouble);
}

function checkReachable(state: ClusterView["state"], trouble: string | undefined): void {
  if (state === "connected") return;
  throw unavailable(
    `leave the cluster: its store is away (${trouble}), so the others cannot be told. ` +
      'Use --force to go all the same, then "tsdocker cluster rm" on another host',
  );
}

async function removeNode(
  membership: Membership,
  ref: string,
  { force }: { readonly force: boolean },
): Promise<void> {
  const node = findNode(viewOf(membership), ref);
  if (node.isSelf)
    throw invalid(`remove host ${node.name}: this is it; use "tsdocker cluster leave" instead`);
  if (node.isUp && !force)
    throw conflict(
      `remove host ${node.name}: it is up: run "tsdocker cluster leave" there, or use --force to shut it out`,
    );
  await membership.removeNode(node.id);
}

function findNode({ nodes }: ClusterView, ref: string): ClusterNodeView {
  const exact = nodes.find(({ id }) => id === ref);
  const named = nodes.filter(({ name }) => name === ref);
  const begins = ref === "" ? [] : nodes.filter(({ id }) => id.startsWith(ref));
  const found = exact ? [exact] : named.length > 0 ? named : begins;
  const [node, ...more] = found;
  if (!node) throw notFound(`host ${ref} not found in the cluster`);
  if (more.length > 0)
    throw invalid(`host ${ref} is ambiguous (${found.length} hosts are meant): use the id`);
  return node;
}

async function createToken(membership: Membership, { rotate, ...request }: ClusterTokenRequest) {
  viewOf(membership);
  const before = membership.tokens().filter(({ admits }) => admits === request.admits);
  const invitation = await membership.createToken(request);
  if (rotate) for (const { id } of before) await membership.removeToken(id);
  return invitation;
}
