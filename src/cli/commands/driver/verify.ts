// driver verify.

import type * as Kit from "../../../driververify/index.ts";
import { errorMessage } from "../../../util/errors.ts";
import { type CommandSpec, exactArgs } from "../../command.ts";
import { StatusError } from "../../errors.ts";
import { bool, list, strings, text, uint } from "../../flags/spec.ts";
import type { FlagValues } from "../../flags/values.ts";
import type { Session } from "../../session.ts";

/** As on the command line. */
const traitNames = {
  "never-internal": "neverInternal",
  "single-addresses": "singleAddresses",
  "named-pools": "namedPools",
  "named-ranges": "namedRanges",
  "shared-pools": "sharedPools",
} as const satisfies Record<string, keyof Kit.DriverTraits>;

export const verify: CommandSpec = {
  usage: "[OPTIONS] MODULE | FOLDER | PACKAGE | PLUGIN.sock",
  long: `Put a network or IPAM driver to the test: does it keep the rules of tsdocker/driverapi?

A module is tried on a machine of its own, a network namespace; a plugin where it runs.
Exits with 1 if a rule is broken. Needs root.`,
  args: exactArgs(1),
  flags: [
    bool("all", "Show every check, not only those that fail", { short: "a" }),
    bool("cluster", "The machine is in a cluster of its own"),
    strings("family", "Families that networks of the driver can have (4, 6)", { shownInitial: "4,6" }),
    bool("json", "Print the report as JSON"),
    text("kind", 'What to verify: "network" or "ipam"', { shownInitial: "what the plugin is, or network" }),
    text("netns", "Path of the network namespace that the plugin acts in", {
      shownInitial: "the one of this command",
    }),
    strings("only", "Checks or groups of checks to run, by their ids"),
    list("option", "Option (key=value) without which there is no network of this driver", { short: "o" }),
    uint("seed", "Seed of everything that is left to chance", { initial: "1" }),
    uint("timeout", "Seconds after which a call counts as never answered", { initial: "20" }),
    strings(
      "trait",
      `What the driver is by nature, besides what its module says (${Object.keys(traitNames).join(", ")})`,
    ),
    list("wrong-option", "Option (key=value) that the driver must refuse"),
  ],
  async run({ session, flags, args: [named = ""] }) {
    if (process.getuid?.() !== 0)
      throw new StatusError(125, "driver verify needs root: it makes network namespaces");
    const kit = await import("../../../driververify/index.ts");
    const subjects = await kit.loadSubjects(named, { ...placeOf(flags), from: process.cwd() });
    const reports: Kit.Report[] = [];
    // namespaces outlive the process that made them: an interrupt ends the run after the check under way
    const ending = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => ending.abort());
    const options = { session, flags, named, signal: ending.signal };
    for (const subject of subjects) reports.push(await verifyOne(kit, subject, options));
    if (ending.signal.aborted) throw new StatusError(130, "driver verify: interrupted");
    if (reports.every(({ outcomes }) => outcomes.length === 0))
      throw new StatusError(1, `${named}: ${flags.list("only").join(", ")}: no checks of such a driver`);
    if (flags.bool("json")) printJson(kit, session, reports);
    if (reports.some(({ outcomes }) => kit.countsOf(outcomes).failed > 0)) throw new StatusError(1);
  },
};

interface VerifyParts {
  readonly session: Session;
  readonly flags: FlagValues;
  readonly named: string;
  readonly signal: AbortSignal;
}

async function verifyOne(
  kit: typeof Kit,
  subject: Kit.Subject,
  { session, flags, named, signal }: VerifyParts,
): Promise<Kit.Report> {
  const isShown = session.streams.err.isTerminal && !flags.bool("json");
  const verifying = kit.verifyDriver(subject, {
    name: named,
    only: flags.list("only"),
    seed: flags.number("seed"),
    callLimitMs: flags.number("timeout") * 1000,
    signal,
    ...traitsOf(flags),
    onOutcome: ({ id }) => isShown && session.err.write(`\r\x1b[K${id}`),
  });
  const report = await verifying.catch((error: unknown) => {
    throw new StatusError(1, `${named}: ${errorMessage(error)}`);
  });
  if (isShown) session.err.write("\r\x1b[K");
  // half a report would say that all is well
  if (!flags.bool("json") && !signal.aborted && report.outcomes.length > 0)
    session.out.write(kit.reportText(report, { all: flags.bool("all") }));
  return report;
}

/** One document: the report itself, or a list when the plugin is two drivers. */
function printJson(kit: typeof Kit, session: Session, reports: readonly Kit.Report[]): void {
  const [first] = reports;
  if (first && reports.length === 1) {
    session.out.write(kit.reportJson(first));
    return;
  }
  session.out.write(`[${reports.map((report) => kit.reportJson(report).trim()).join(",\n")}]\n`);
}

function placeOf(flags: FlagValues) {
  const [kind, netns] = [flags.string("kind"), flags.string("netns")];
  if (kind !== "" && kind !== "network" && kind !== "ipam")
    throw new StatusError(125, `--kind is network or ipam, not ${kind}`);
  return {
    ...(kind !== "" && { kind: kind as "network" | "ipam" }),
    ...(netns !== "" && { netns }),
    inCluster: flags.bool("cluster"),
  };
}

function traitsOf(flags: FlagValues): Kit.DriverTraits {
  const families = flags.list("family").map((family) => {
    if (family !== "4" && family !== "6") throw new StatusError(125, `--family is 4 or 6, not ${family}`);
    return family === "4" ? 4 : 6;
  });
  const [own, wrong] = [optionsOf(flags.list("option")), optionsOf(flags.list("wrong-option"))];
  return {
    ...Object.fromEntries(flags.list("trait").map((name) => [traitNamed(name), true])),
    ...(Object.keys(own).length > 0 && { networkOptions: own }),
    ...(Object.keys(wrong).length > 0 && { wrongOption: wrong }),
    ...(families.length > 0 && { families }),
  };
}

function traitNamed(name: string): keyof Kit.DriverTraits {
  const trait = Object.entries(traitNames).find(([key]) => key === name)?.[1];
  if (trait) return trait;
  throw new StatusError(125, `--trait is one of ${Object.keys(traitNames).join(", ")}, not ${name}`);
}

function optionsOf(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
