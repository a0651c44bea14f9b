// What the maps of a host's short cuts lead to, as the kernel has them: bpf(2) is asked, not the driver.

import { addon } from "../../../native/index.ts";
import type { Host } from "../../../src/driverapi/index.ts";
import { sayingNow } from "../../../src/kernel/errors.ts";
import { openNetlink } from "../../../src/kernel/index.ts";
import { macFromBytes } from "../../../src/netip/index.ts";
import { hasCode } from "../../../src/util/errors.ts";

type Bpf = Host["link"]["bpf"];
type BpfMap = ReturnType<Bpf["BpfMap"]["create"]>;

/** BPF_MAP_LOOKUP_ELEM, BPF_MAP_GET_NEXT_KEY. */
const command = { lookUp: 1, nextKey: 4 } as const;
const sizes = { mac: 6, key: 8, value: 8 } as const;

/** Those of one host's driver. */
export class ShortCuts {
  /** The latest: a daemon that starts makes another one. */
  #ways: BpfMap | undefined;

  /** The same, noting what is made by it. */
  noting(link: Host["link"]): Host["link"] {
    const create = (spec: Parameters<Bpf["BpfMap"]["create"]>[0]) => {
      const made = link.bpf.BpfMap.create(spec);
      if (spec.name === "ways") this.#ways = made;
      return made;
    };
    return { ...link, bpf: { ...link.bpf, BpfMap: { create } as Bpf["BpfMap"] } };
  }

  /** Whether this kernel has them. */
  get areThere(): boolean {
    return this.#ways !== undefined;
  }

  /** Lines, in no order; none where there are none. Only while the network (its netns, by path) is carried. */
  async view(netns: string): Promise<string[]> {
    const ways = this.#ways;
    if (!ways) return [];
    await using netlink = await openNetlink(netns);
    const kinds = new Map((await netlink.links()).map(({ index, kind }) => [index, kind]));
    return rowsOf(ways.fd).map(({ key, value }) =>
      shortCut(macFromBytes(key.subarray(0, sizes.mac)), String(kinds.get(value.readUInt32LE()))),
    );
  }
}

/** What a daemon asks the kernel room, until it ends: its timers live on in the test's process. */
export function untilItsEnd(link: Host["link"]): { readonly link: Host["link"]; end(): Promise<void> } {
  const underWay = new Set<Promise<unknown>>();
  let hasEnded = false;
  const attachEarly: Bpf["attachEarly"] = async (...request) => {
    if (hasEnded) throw new Error("the daemon has ended");
    const attaching = link.bpf.attachEarly(...request);
    underWay.add(attaching);
    return await attaching.finally(() => underWay.delete(attaching));
  };
  const end = async () => {
    hasEnded = true;
    await Promise.allSettled(underWay);
  };
  return { link: { ...link, bpf: { ...link.bpf, attachEarly } }, end };
}

export function shortCut(mac: string, kind: string): string {
  return `${mac} straight by ${kind}`;
}

function rowsOf(map: number): { readonly key: Buffer; readonly value: Buffer }[] {
  const rows: { readonly key: Buffer; readonly value: Buffer }[] = [];
  for (let key = nextKey(map, undefined); key; key = nextKey(map, key)) {
    const value = Buffer.alloc(sizes.value);
    if (ask(map, command.lookUp, [8, key, 16, value])) rows.push({ key, value });
  }
  return rows;
}

/** Undefined behind the last one. */
function nextKey(map: number, before: Buffer | undefined): Buffer | undefined {
  const key = Buffer.alloc(sizes.key);
  return ask(map, command.nextKey, [...(before ? [8, before] : []), 16, key]) ? key : undefined;
}

/** Whether there is one. */
function ask(map: number, what: number, pointers: readonly (number | Uint8Array)[]): boolean {
  const attributes = Buffer.alloc(32);
  attributes.writeUInt32LE(map, 0);
  try {
    sayingNow("bpftool map", () => addon().bpf(what, attributes, pointers));
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}
