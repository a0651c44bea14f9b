// Frames inside bridges for a back end that has no way to see them: an nftables table beside it holds guards and keeps
// containers apart. So it is the same rules that do so whatever the back end.

import { type Nftables, openNftables } from "../kernel/nftables/index.ts";
import { hasCode } from "../util/errors.ts";
import type { Backend } from "./backend.ts";
import { callBridgeNetfilter } from "./bridge-netfilter.ts";
import type { RuleChange } from "./ledger.ts";
import { nftablesBackend } from "./nftables/backend.ts";
import { withoutGuards } from "./nftables/bridging.ts";
import { canOwnTables } from "./nftables/probe.ts";
import type { Rule } from "./rules.ts";

export interface FramesOptions {
  /** Path of the netns; undefined = the process's own. */
  readonly netns: string | undefined;
  readonly ipv6: boolean;
}

/** The back end with a table for frames beside it. */
export async function withFrames(backend: Backend, options: FramesOptions): Promise<Backend> {
  const handle = await openFrames(options.netns);
  const frames = handle
    ? nftablesBackend(handle, {
        ...options,
        loopbackNat: false,
        owned: await canOwnTables(handle),
        scope: "bridge",
      })
    : bridgeNetfilter(options);
  return {
    name: backend.name,
    async restore(rules) {
      const hasChanged = await frames.restore(rules);
      return (await backend.restore(rules)) || hasChanged;
    },
    async apply(change, all) {
      await frames.apply(change, all);
      try {
        await backend.apply(change, all);
      } catch (error) {
        await frames.apply({ removed: change.added, added: change.removed }, all);
        throw error;
      }
    },
    async watch(changed) {
      const watches = [await frames.watch(changed), await backend.watch(changed)];
      return { [Symbol.dispose]: () => watches.forEach((watch) => void watch?.[Symbol.dispose]()) };
    },
    async remove() {
      await backend.remove();
      await frames.remove();
    },
    async close() {
      await Promise.all([frames.close(), backend.close()]);
    },
  };
}

async function openFrames(netns: string | undefined): Promise<Nftables | undefined> {
  try {
    return await openNftables(netns);
  } catch (error) {
    if (hasCode(error, "EPROTONOSUPPORT")) return undefined;
    throw error;
  }
}

/** A kernel without nftables: br_netfilter has the back end's own rules keep containers apart, guards are refused. */
function bridgeNetfilter({ netns, ipv6 }: FramesOptions): Backend {
  const prepare = async (rules: readonly Rule[]) => {
    if (rules.some((rule) => rule.kind === "guard" && rule.antispoof !== "off")) throw withoutGuards();
    if (!rules.some((rule) => rule.kind === "bridge" && !rule.icc)) return;
    for (const family of ipv6 ? ([4, 6] as const) : ([4] as const)) await callBridgeNetfilter(family, netns);
  };
  return {
    name: "none",
    restore: async (rules) => {
      await prepare(rules);
      return false;
    },
    apply: ({ added }: RuleChange) => prepare(added),
    watch: async () => undefined,
    remove: async () => undefined,
    close: async () => undefined,
  };
}
