// A fence behind a back end whose rules others can take away: what keeps bridges apart and closed, once more, in an
// nftables table that belongs to this process. While a flush is being repaired it is all that stands; it lets pass what
// the back end's own rules let pass, and dies with the process, so nothing is ever left of it.

import type { Request } from "../kernel/index.ts";
import {
  addElements,
  addTable,
  changeMark,
  deleteElements,
  deleteTable,
  field,
  hasBits,
  hostNumber,
  masked,
  type Nftables,
  openNftables,
  type Table,
  verdict,
} from "../kernel/nftables/index.ts";
import type { Family } from "../netip/index.ts";
import { hasCode } from "../util/errors.ts";
import type { Backend } from "./backend.ts";
import { fenceMarks } from "./fence-marks.ts";
import type { RuleChange } from "./ledger.ts";
import { type Entry, entriesOf } from "./nftables/entry.ts";
import { forwarding } from "./nftables/forwarding.ts";
import { layout } from "./nftables/layout.ts";
import { type ChainWithRules, rule } from "./nftables/matches.ts";
import { mainSets } from "./nftables/sets.ts";
import { translation } from "./nftables/translation.ts";
import type { AcceptMark, Rule } from "./rules.ts";

const table: Table = { family: "inet", name: "tsdocker-fence" };

/** Sets that the chains of forwarding read. Containers of one bridge are the back end's own business. */
const fencedSets = /^(from|to|within|trusted.*|allow.*)$/;

export interface FenceOptions {
  /** Path of the netns; undefined = the process's own. */
  readonly netns: string | undefined;
  readonly ipv6: boolean;
  readonly acceptMark?: AcceptMark | undefined;
}

/**
 * A back end with a fence behind it, or as it is where the kernel has no tables of one process (before Linux 5.12); `build`
 * is told which.
 */
export async function fenced(
  build: (isFenced: boolean) => Promise<Backend>,
  options: FenceOptions,
): Promise<Backend> {
  const nftables = await openFence(options.netns);
  const backend = await build(nftables !== undefined);
  if (!nftables) return backend;
  const fence = new Fence(nftables, options);
  return {
    name: backend.name,
    restore: async (rules) => {
      await fence.build(rules);
      return await backend.restore(rules);
    },
    // what is shut is shut before, and what is opened is open when both have opened it
    apply: async (change, all) => {
      await fence.apply(change);
      try {
        await backend.apply(change, all);
      } catch (error) {
        await fence.apply({ removed: change.added, added: change.removed });
        throw error;
      }
    },
    watch: (changed) => backend.watch(changed),
    remove: async () => {
      await backend.remove();
      await fence.remove();
    },
    close: async () => {
      await Promise.all([backend.close(), nftables.close()]);
    },
  };
}

async function openFence(netns: string | undefined): Promise<Nftables | undefined> {
  let nftables: Nftables | undefined;
  try {
    nftables = await openNftables(netns);
    await nftables.commit([addTable(table, { owned: true, persists: false }), deleteTable(table)]);
    return nftables;
  } catch (error) {
    await nftables?.close();
    if (hasCode(error, "EOPNOTSUPP", "EINVAL", "EPROTONOSUPPORT")) return undefined;
    throw error;
  }
}

class Fence {
  readonly #nftables: Nftables;
  readonly #families: readonly Family[];
  readonly #acceptMark: AcceptMark | undefined;
  #isBuilt = false;

  constructor(nftables: Nftables, { ipv6, acceptMark }: FenceOptions) {
    this.#nftables = nftables;
    this.#families = ipv6 ? [4, 6] : [4];
    this.#acceptMark = acceptMark;
  }

  /** Nobody else can change it: once is enough. */
  async build(rules: readonly Rule[]): Promise<void> {
    if (this.#isBuilt) return;
    const chains = [
      ...forwarding(this.#acceptMark).map(believingUsers),
      ...translation.filter(({ name }) => name === "guard"),
    ];
    const [, ...parts] = layout(table, mainSets, chains);
    await this.#nftables.commit([
      addTable(table, { owned: true, persists: false }),
      ...parts,
      ...requests(this.#entriesOf(rules), addElements),
    ]);
    this.#isBuilt = true;
  }

  async apply({ removed, added }: RuleChange): Promise<void> {
    const gone = this.#entriesOf(removed);
    const come = this.#entriesOf(added);
    const isSame = (one: Entry | undefined, other: Entry) => one?.value === other.value;
    const all = [...gone.values()].filter((entry) => !isSame(come.get(entry.id), entry));
    const next = [...come.values()].filter((entry) => !isSame(gone.get(entry.id), entry));
    await this.#nftables.commit([
      ...requests(new Map(all.map((entry) => [entry.id, entry])), deleteElements),
      ...requests(new Map(next.map((entry) => [entry.id, entry])), addElements),
    ]);
  }

  async remove(): Promise<void> {
    if (this.#isBuilt) await this.#nftables.commit([deleteTable(table)]);
    this.#isBuilt = false;
  }

  #entriesOf(rules: readonly Rule[]): Map<string, Entry> {
    const entries = rules
      .map((rule): Rule => (rule.kind === "bridge" ? { ...rule, icc: true } : rule))
      .flatMap((rule) => entriesOf(rule, this.#families))
      .filter((entry) => entry.table === "main" && fencedSets.test(entry.set));
    return new Map(entries.map((entry) => [entry.id, entry]));
  }
}

/** What users accept before our chains is let through; see `fenceMarks`. Called after iptables' own chains. */
function believingUsers(chain: ChainWithRules): ChainWithRules {
  if (!chain.hook) return chain;
  const both = fenceMarks.begun | fenceMarks.judged;
  const wasAccepted = masked(field.mark, hostNumber(both), hostNumber(fenceMarks.begun));
  return {
    ...chain,
    hook: { ...chain.hook, priority: 1 },
    rules: [
      rule("the user's word", wasAccepted, changeMark({ clear: both }), verdict("accept")),
      rule("", hasBits(field.mark, both), changeMark({ clear: both })),
      ...chain.rules,
    ],
  };
}

function requests(entries: ReadonlyMap<string, Entry>, make: typeof addElements): Request[] {
  const groups = Map.groupBy(entries.values(), ({ set }) => set);
  return [...groups].flatMap(([set, group]) =>
    make(
      table,
      set,
      group.flatMap(({ elements }) => elements),
    ),
  );
}
