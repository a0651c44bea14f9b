// system df.

import { type CommandSpec, type Invocation, noArgs } from "../../command.ts";
import { bool, formatFlag } from "../../flags/spec.ts";
import { containerLayout, containerRow } from "../../format/containers.ts";
import {
  buildCacheLayout,
  buildCacheRows,
  cacheSize,
  usageFormat,
  usageLayout,
  usageRows,
} from "../../format/disk-usage.ts";
import { imageLayout, imageRows } from "../../format/images.ts";
import { finishRow, parseListFormat, type Row, writeRows } from "../../format/rows.ts";
import { humanSize } from "../../format/units.ts";
import { volumeLayout, volumeRow } from "../../format/volumes.ts";
import type { Output } from "../../streams.ts";
import type { DiskUsage } from "../../wire.ts";

export const df: CommandSpec = {
  usage: "[OPTIONS]",
  args: noArgs,
  flags: [bool("verbose", "Show detailed information on space usage", { short: "v" }), formatFlag],
  run: runDf,
};

async function runDf({ session, flags }: Invocation): Promise<void> {
  const usage = await session.client.get<DiskUsage>("/system/df");
  const format = flags.string("format") || "table";
  if (!flags.bool("verbose"))
    return writeRows(session.out, usageFormat(format), usageLayout, usageRows(usage));
  if (format === "table") return writeDetails(session.out, usage);
  const rows = detailRows(usage, false);
  const data = {
    Images: rows.images.map((row) => finishRow(row, imageLayout.typeName)),
    Containers: rows.containers.map((row) => finishRow(row, containerLayout.typeName)),
    Volumes: rows.volumes.map((row) => finishRow(row, volumeLayout.typeName)),
    BuildCache: rows.cache.map((row) => finishRow(row, buildCacheLayout.typeName)),
  };
  session.out.write(parseListFormat(format).run(data));
}

interface DetailRows {
  readonly images: readonly Row[];
  readonly containers: readonly Row[];
  readonly volumes: readonly Row[];
  readonly cache: readonly Row[];
}

function detailRows(usage: DiskUsage, truncate: boolean): DetailRows {
  const firstName = { truncate, digests: false, format: "" };
  return {
    images: (usage.Images ?? []).flatMap((image) => imageRows(image, firstName).slice(0, 1)),
    containers: (usage.Containers ?? []).map((one) => containerRow({ ...one, SizeRootFs: 0 }, truncate)),
    volumes: (usage.Volumes ?? []).map(volumeRow),
    cache: buildCacheRows(usage.BuildCache ?? [], truncate),
  };
}

const imageTable =
  "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}";
const containerTable =
  "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}";
const volumeTable = "table {{.Name}}\t{{.Links}}\t{{.Size}}";
const cacheTable =
  "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}";

function writeDetails(out: Output, usage: DiskUsage): void {
  const rows = detailRows(usage, true);
  out.write("Images space usage:\n\n");
  writeRows(out, imageTable, imageLayout, rows.images);
  out.write("\nContainers space usage:\n\n");
  writeRows(out, containerTable, containerLayout, rows.containers);
  out.write("\nLocal Volumes space usage:\n\n");
  writeRows(out, volumeTable, volumeLayout, rows.volumes);
  out.write(`\nBuild cache usage: ${humanSize(cacheSize(usage.BuildCache ?? []))}\n\n`);
  writeRows(out, cacheTable, buildCacheLayout, rows.cache);
}
