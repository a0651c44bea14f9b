// Rows of `system df`: one per kind of thing, and those of the build cache.

import type { BuildCacheRecord, ContainerSummary, DiskUsage, ImageSummary, Volume } from "../wire.ts";
import { type ListLayout, type Row, truncateId } from "./rows.ts";
import { ago, humanSize } from "./units.ts";

export const usageLayout: ListLayout = {
  typeName: "*formatter.diskUsageContainersContext",
  headers: {
    Type: "TYPE",
    TotalCount: "TOTAL",
    Active: "ACTIVE",
    Size: "SIZE",
    Reclaimable: "RECLAIMABLE",
  },
};

/** The template behind `table` and `raw`; others are the user's own. */
export function usageFormat(source: string): string {
  if (source === "table") return "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
  if (source !== "raw") return source;
  return "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n";
}

interface Usage {
  readonly type: string;
  readonly count: number;
  readonly active: number;
  readonly size: number;
  readonly reclaimable: number;
  /** The build cache shows no percentage. */
  readonly plain?: boolean;
}

/** Images, containers, volumes, build cache. */
export function usageRows(usage: DiskUsage): Row[] {
  return [
    imageUsage(usage.Images ?? [], usage.LayersSize),
    containerUsage(usage.Containers ?? []),
    volumeUsage(usage.Volumes ?? []),
    cacheUsage(usage.BuildCache ?? []),
  ].map(usageRow);
}

function usageRow({ type, count, active, size, reclaimable, plain }: Usage): Row {
  const percent = size > 0 && !plain ? ` (${Math.trunc((reclaimable * 100) / size)}%)` : "";
  return {
    Type: () => type,
    TotalCount: () => String(count),
    Active: () => String(active),
    Size: () => humanSize(size),
    Reclaimable: () => humanSize(reclaimable) + percent,
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

function imageUsage(images: readonly ImageSummary[], size: number): Usage {
  const inUse = images.filter(
    (image) => image.Containers !== 0 && image.Size !== -1 && image.SharedSize !== -1,
  );
  const used = sum(inUse.map((image) => image.Size - image.SharedSize));
  const active = images.filter((image) => image.Containers > 0).length;
  return { type: "Images", count: images.length, active, size, reclaimable: size - used };
}

function containerUsage(containers: readonly ContainerSummary[]): Usage {
  const isActive = (one: ContainerSummary) => ["running", "paused", "restarting"].includes(one.State);
  const sizeOf = (some: readonly ContainerSummary[]) => sum(some.map((one) => one.SizeRw ?? 0));
  return {
    type: "Containers",
    count: containers.length,
    active: containers.filter(isActive).length,
    size: sizeOf(containers),
    reclaimable: sizeOf(containers.filter((one) => !isActive(one))),
  };
}

function volumeUsage(volumes: readonly Volume[]): Usage {
  const sizeOf = (some: readonly Volume[]) => sum(some.map((one) => Math.max(0, one.UsageData?.Size ?? 0)));
  return {
    type: "Local Volumes",
    count: volumes.length,
    active: volumes.filter((one) => (one.UsageData?.RefCount ?? 0) > 0).length,
    size: sizeOf(volumes),
    reclaimable: sizeOf(volumes.filter((one) => one.UsageData?.RefCount === 0)),
  };
}

/** Bytes of the cache that nothing else shares. */
export function cacheSize(records: readonly BuildCacheRecord[]): number {
  return sum(records.filter((record) => !record.Shared).map((record) => record.Size));
}

function cacheUsage(records: readonly BuildCacheRecord[]): Usage {
  const size = cacheSize(records);
  const inUse = cacheSize(records.filter((record) => record.InUse));
  const active = records.filter((record) => record.InUse).length;
  return { type: "Build Cache", count: records.length, active, size, reclaimable: size - inUse, plain: true };
}

export const buildCacheLayout: ListLayout = {
  typeName: "*formatter.buildCacheContext",
  headers: {
    ID: "CACHE ID",
    Parent: "PARENT",
    CacheType: "CACHE TYPE",
    Size: "SIZE",
    CreatedSince: "CREATED",
    LastUsedSince: "LAST USED",
    UsageCount: "USAGE",
    InUse: "IN USE",
    Shared: "SHARED",
    Description: "DESCRIPTION",
  },
};

/** Least recently used first. */
export function buildCacheRows(records: readonly BuildCacheRecord[], truncate: boolean): Row[] {
  const key = (record: BuildCacheRecord) => `${record.LastUsedAt ?? ""} ${record.ID}`;
  const since = (time: string | null | undefined) => (time ? ago(new Date(time).getTime() / 1000) : "");
  return records
    .toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
    .map((record) => ({
      ID: () => (truncate ? truncateId(record.ID) : record.ID) + (record.InUse ? "*" : ""),
      CacheType: () => record.Type,
      Size: () => humanSize(record.Size, 3),
      CreatedSince: () => since(record.CreatedAt),
      LastUsedSince: () => since(record.LastUsedAt),
      UsageCount: () => String(record.UsageCount),
      InUse: () => String(record.InUse),
      Shared: () => String(record.Shared),
    }));
}
