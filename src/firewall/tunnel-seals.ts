// Seals of encrypted tunnels in the kernel (XFRM): which associations and policies there are, held against what is wanted.
// Ours are told from others' by their request id. An association that this host sends by is installed once in the life of
// a process and never again: its numbers would begin anew, and no number may be used twice under a key.

import { createHash } from "node:crypto";
import {
  type Association,
  type AssociationId,
  addAssociation,
  decodeAssociation,
  decodePolicy,
  deleteAssociation,
  deletePolicy,
  listAssociations,
  listPolicies,
  type NetlinkSocket,
  netlinkProtocol,
  openNetlinkSocket,
  type SealPolicy,
  setPolicy,
  unless,
  watchNetlink,
  xfrmGroup,
  xfrmMessage,
} from "../kernel/index.ts";
import { type Address, formatAddress } from "../netip/index.ts";
import { sealMark } from "./nftables/seal-chains.ts";

/** One direction between two hosts, under one key. */
export interface Seal {
  readonly source: Address;
  readonly target: Address;
  readonly spi: number;
  /** 20 bytes: see `Association`. */
  readonly key: Uint8Array;
  /** An earlier process sent by it: it stays while it is there, and is never made. */
  readonly isFormer?: boolean;
}

/** What is sent to a host is sealed by one of the associations towards it. */
export interface SealedTarget {
  readonly target: Address;
  /** UDP port of its tunnels. */
  readonly port: number;
  readonly spi: number;
  /** While this association is in the kernel it is used instead: the target may not know of the other one yet. */
  readonly formerSpi?: number | undefined;
}

/** What of a host and the others there is to be in the kernel. */
export interface SealPlan {
  /** From this host and to it. */
  readonly seals: readonly Seal[];
  readonly targets: readonly SealedTarget[];
}

/** The encrypted networks that this host carries. */
export interface EncryptionWish {
  /** Of their tunnels: nothing of these leaves or is heard in clear. */
  readonly vnis: readonly number[];
  /** Not all is known yet: VNIs, associations and policies that an earlier process left stay too. */
  readonly keepsOld?: boolean;
  /** Undefined: the associations and policies stay as they are. */
  readonly plan?: SealPlan | undefined;
  /** An association that this host sent by is gone, and must not be made again: other keys are needed. */
  readonly onLost?: () => void;
}

interface SealWish {
  /** The address that this host's packets come from. */
  readonly self: Address;
  readonly encryption?: EncryptionWish | undefined;
}

const nobody: Address = { family: 4, value: 0n };

/** Whose associations and policies are ours: "tsd\0". */
export const sealRequestId = 0x7473_6400;

/** Owns the associations and policies with our request id in one netns. Calls must not overlap. */
export class TunnelSeals {
  readonly #netns: string | undefined;
  readonly #onDoubt: () => void;
  #socket: NetlinkSocket | undefined;
  #watch: Disposable | undefined;
  /** What this process sends by, or sent by. */
  readonly #used = new Set<string>();

  constructor(netns: string | undefined, onDoubt: () => void) {
    this.#netns = netns;
    this.#onDoubt = onDoubt;
  }

  /** Undefined: none is ours any more. What is there and as it should be is left alone, numbers and all. */
  async keep({ self, encryption: wish }: SealWish | undefined = { self: nobody }): Promise<void> {
    const isNeeded = wish !== undefined && wish.vnis.length > 0;
    this.#socket ??= await openXfrm(this.#netns, isNeeded);
    const socket = this.#socket;
    if (!socket) return;
    if (isNeeded) this.#watch ??= await this.#follow();
    if (wish && !wish.plan) return;
    const { seals, targets } = wish?.plan ?? { seals: [], targets: [] };
    const before = await ownedBy(socket);
    const there = new Map(before.associations.map((each) => [idOf(each), each]));
    const isLost = await this.#add(socket, { self, seals, there });
    const policies = targets.map((target) => policyOf(self, target, there));
    const keepsOld = wish?.keepsOld === true;
    await setPolicies(socket, { wanted: policies, before: before.policies, keepsOld });
    const wanted = new Set(seals.map(idOf));
    for (const each of before.associations)
      if (!wanted.has(idOf(each)) && !keepsOld)
        await unless(["ESRCH"], socket.send([deleteAssociation(each)]));
    if (isLost) wish?.onLost?.();
  }

  async close(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    await this.#socket?.close();
  }

  /** Answers whether one was lost that must not be made again. */
  async #add(
    socket: NetlinkSocket,
    { self, seals, there }: { self: Address; seals: readonly Seal[]; there: Map<string, Association> },
  ): Promise<boolean> {
    let isLost = false;
    for (const seal of seals) {
      const known = there.get(idOf(seal));
      if (sameSeal(seal, known) || seal.isFormer) continue;
      const isOutbound = seal.source.value === self.value && seal.source.family === self.family;
      const use = isOutbound ? `${idOf(seal)} ${digest(seal.key)}` : undefined;
      if (use !== undefined && this.#used.has(use)) {
        isLost = true;
        continue;
      }
      if (known) await unless(["ESRCH"], socket.send([deleteAssociation(known)]));
      if (use !== undefined) this.#used.add(use);
      const { source, target, spi, key } = seal;
      const association = { source, target, spi, key, requestId: sealRequestId };
      await socket.send([addAssociation(association)]);
      there.set(idOf(seal), association);
    }
    return isLost;
  }

  /** Others' deletions, and ours, which changes nothing. */
  #follow(): Promise<Disposable> {
    const deletions: readonly number[] = [
      xfrmMessage.deleteAssociation,
      xfrmMessage.deletePolicy,
      xfrmMessage.flushAssociations,
      xfrmMessage.flushPolicies,
    ];
    return watchNetlink({
      protocol: netlinkProtocol.xfrm,
      netns: this.#netns,
      groups: Object.values(xfrmGroup),
      messages: (messages) => {
        if (messages.some(({ type }) => deletions.includes(type))) this.#onDoubt();
      },
      lost: this.#onDoubt,
    });
  }
}

async function openXfrm(netns: string | undefined, isNeeded: boolean): Promise<NetlinkSocket | undefined> {
  const opening = openNetlinkSocket(netlinkProtocol.xfrm, netns);
  return isNeeded ? await opening : await unless(["EPROTONOSUPPORT"], opening);
}

interface Owned {
  readonly associations: readonly Association[];
  readonly policies: readonly SealPolicy[];
}

async function ownedBy(socket: NetlinkSocket): Promise<Owned> {
  const associations = await socket.dump(listAssociations());
  const policies = await socket.dump(listPolicies());
  const isOurs = (each: { readonly requestId: number } | undefined) => each?.requestId === sealRequestId;
  return {
    associations: associations.flatMap(({ payload }) => decodeAssociation(payload) ?? []).filter(isOurs),
    policies: policies.flatMap(({ payload }) => decodePolicy(payload) ?? []).filter(isOurs),
  };
}

/** Add before delete. */
async function setPolicies(
  socket: NetlinkSocket,
  {
    wanted,
    before,
    keepsOld,
  }: { wanted: readonly SealPolicy[]; before: readonly SealPolicy[]; keepsOld: boolean },
): Promise<void> {
  const known = new Map(before.map((policy) => [selectorOf(policy), policy]));
  const keys = new Set(wanted.map(selectorOf));
  const changed = wanted.filter((policy) => known.get(selectorOf(policy))?.spi !== policy.spi);
  if (changed.length > 0) await socket.send(changed.map(setPolicy));
  for (const policy of before)
    if (!keys.has(selectorOf(policy)) && !keepsOld)
      await unless(["ENOENT", "ESRCH"], socket.send([deletePolicy(policy)]));
}

function policyOf(
  source: Address,
  { target, port, spi, formerSpi }: SealedTarget,
  there: ReadonlyMap<string, AssociationId>,
): SealPolicy {
  const hasFormer = formerSpi !== undefined && there.has(idOf({ target, spi: formerSpi }));
  return {
    selector: { source, target, protocol: udp, targetPort: port },
    mark: sealMark,
    requestId: sealRequestId,
    spi: hasFormer ? formerSpi : spi,
  };
}

const udp = 17;

function idOf({ target, spi }: AssociationId): string {
  return `${formatAddress(target)} ${spi}`;
}

function selectorOf({ selector, mark }: SealPolicy): string {
  const { source, target, targetPort } = selector;
  return `${formatAddress(source)} ${formatAddress(target)} ${targetPort} ${mark.value}/${mark.mask}`;
}

function sameSeal(seal: Seal | undefined, association: Seal | undefined): boolean {
  if (!seal || !association) return false;
  return (
    seal.source.value === association.source.value &&
    Buffer.from(seal.key).equals(Buffer.from(association.key))
  );
}

/** Keys are remembered by this alone. */
function digest(key: Uint8Array): string {
  return createHash("sha256").update(key).digest("base64");
}
