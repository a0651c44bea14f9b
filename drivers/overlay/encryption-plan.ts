// Which seals a host needs towards each other one: a pure function of what the store has.

import type { ClusterNode, SealPlan } from "../../src/driverapi/index.ts";
import {
  deriveKey,
  type KeyRing,
  type RingKey,
  type Sender,
  type SenderLife,
  spiOf,
} from "./encryption-keys.ts";

export interface SealPlanInput {
  readonly self: ClusterNode;
  /** All hosts; this one is left out. */
  readonly nodes: readonly ClusterNode[];
  readonly ring: KeyRing;
  readonly senderOf: (node: string) => Sender | undefined;
  /** The life that this process sends by; undefined before it has one. */
  readonly life: SenderLife | undefined;
  /** What an earlier process of this host sent by is used on: the others may not know of the new life yet. */
  readonly staysFormer: boolean;
}

/** Without a life of this host nothing is sent, and all is heard. */
export function planSeals(input: SealPlanInput): SealPlan {
  const { self, nodes } = input;
  const others = nodes.filter(({ id, address }) => id !== self.id && address.family === self.address.family);
  return {
    seals: others.flatMap((node) => [...arriving(input, node), ...departing(input, node)]),
    targets: others.flatMap((node) => targetOf(input, node)),
  };
}

/** From another host, under every key and life that it may send by. */
function arriving({ self, ring, senderOf }: SealPlanInput, node: ClusterNode): SealPlan["seals"] {
  const sender = senderOf(node.id);
  if (!sender) return [];
  const lives = sender.former ? [sender.life, sender.former] : [sender.life];
  return keysOf(ring).flatMap((key) =>
    lives.map((life) => ({
      source: node.address,
      target: self.address,
      spi: spiOf(key, sender.slot, life),
      key: deriveKey(key, { from: node, to: self, life }),
    })),
  );
}

/** To another host, under the current key; and under what may be in use still. */
function departing(input: SealPlanInput, node: ClusterNode): SealPlan["seals"] {
  const { self, ring, life, staysFormer, senderOf } = input;
  const own = senderOf(self.id);
  if (!own || !life) return [];
  const seal = (key: RingKey, of: SenderLife, isFormer: boolean) => ({
    source: self.address,
    target: node.address,
    spi: spiOf(key, own.slot, of),
    key: deriveKey(key, { from: self, to: node, life: of }),
    ...(isFormer && { isFormer }),
  });
  const former = own.former && staysFormer ? own.former : undefined;
  return [
    seal(ring.current, life, false),
    ...(former ? keysOf(ring).map((key) => seal(key, former, true)) : []),
  ];
}

function targetOf(
  { self, ring, life, staysFormer, senderOf }: SealPlanInput,
  node: ClusterNode,
): SealPlan["targets"] {
  const own = senderOf(self.id);
  if (!own || !life) return [];
  const former = own.former && staysFormer ? spiOf(ring.current, own.slot, own.former) : undefined;
  const spi = spiOf(ring.current, own.slot, life);
  return [{ target: node.address, port: node.dataPort, spi, formerSpi: former }];
}

function keysOf({ current, next, previous }: KeyRing): RingKey[] {
  return [current, next, ...(previous ? [previous] : [])];
}
