// What was measured, as rows; as a table for people; as files to keep.

import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism, release } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type DaemonName, dockerdPath } from "./daemons.ts";
import { type Summary, summarise } from "./summary.ts";

const run = promisify(execFile);

export type Unit = "ms" | "µs" | "MB" | "processes" | "1/s" | "Gbit/s" | "s/GB" | "%";

export interface Row {
  readonly name: string;
  readonly unit: Unit;
  /** `floor` is what the machine allows, runc alone for instance. */
  readonly by: Readonly<Partial<Record<DaemonName | "floor", Summary>>>;
}

/** Collects samples by row and daemon. */
export class Report {
  readonly #samples = new Map<string, { unit: Unit; by: Map<DaemonName | "floor", number[]> }>();

  add(row: string, who: DaemonName | "floor", value: number, unit: Unit = "ms"): void {
    const found = this.#samples.get(row) ?? { unit, by: new Map<DaemonName | "floor", number[]>() };
    this.#samples.set(row, found);
    found.by.set(who, [...(found.by.get(who) ?? []), value]);
  }

  rows(): Row[] {
    return [...this.#samples].map(([name, { unit, by }]) => ({
      name,
      unit,
      by: Object.fromEntries([...by].map(([who, samples]) => [who, summarise(samples)])),
    }));
  }
}

/** A Markdown table: min / median / p90 / p99 / max of each, and how the medians compare. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ name, unit, by: { tsdockerd, dockerd, floor } }) => {
    const ratio = tsdockerd && dockerd ? (tsdockerd.median / dockerd.median).toFixed(2) : "";
    return [name, unit, ...[tsdockerd, dockerd, floor].map(cell), ratio];
  });
  const head = ["measure", "unit", "tsdockerd", "dockerd", "floor", "ratio"];
  const widths = head.map((title, at) =>
    Math.max(title.length, ...lines.map((line) => line[at]?.length ?? 0)),
  );
  const format = (cells: readonly string[]) =>
    `| ${cells.map((text, at) => text.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  return [format(head), format(widths.map((width) => "-".repeat(width))), ...lines.map(format)].join("\n");
}

function cell(summary: Summary | undefined): string {
  if (!summary) return "";
  const { count, min, median, p90, p99, max } = summary;
  return count === 1 ? shown(median) : [min, median, p90, p99, max].map(shown).join(" / ");
}

function shown(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}

/** Writes results/<date>.json, with what it was measured on, and the table of the newest results. */
export async function keep(rows: readonly Row[], startedAt: Date): Promise<string> {
  const folder = join(import.meta.dirname, "results");
  await mkdir(folder, { recursive: true });
  const setting = await settingOf(startedAt);
  const name = `${startedAt.toISOString().slice(0, 16).replace(":", "")}.json`;
  await writeFile(join(folder, name), `${JSON.stringify({ ...setting, rows }, null, 1)}\n`);
  const page = [
    "# Results",
    "",
    `The newest run, ${setting.date.slice(0, 10)}: ${setting.cpus} CPUs, Linux ${setting.kernel}, ` +
      `Node ${setting.node}, ${setting.containerd}, ${setting.runc}, ${setting.dockerd ?? "no dockerd"}.`,
    "Cells are minimum / median / 90th / 99th percentile / maximum; `ratio` compares the medians. Both daemons ran in the",
    "same minutes on the same machine, taking turns: compare within a row, not between runs.",
    "",
    tableOf(rows),
    "",
  ].join("\n");
  await writeFile(join(folder, "README.md"), page);
  return join(folder, name);
}

async function settingOf(startedAt: Date) {
  const version = async (command: string, pattern: RegExp) => {
    const { stdout } = await run(command, ["--version"]).catch(() => ({ stdout: "" }));
    return pattern.exec(stdout)?.[0];
  };
  return {
    date: startedAt.toISOString(),
    cpus: availableParallelism(),
    kernel: release().split("-")[0],
    node: process.version,
    containerd: await version("containerd", /containerd .*? [~\w.]+/),
    runc: await version("runc", /runc version \S+/),
    dockerd: await version(dockerdPath, /Docker version [^,]+/),
  };
}
