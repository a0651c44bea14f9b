// docker images: which images a list shows, by Docker's filters.

import { invalid } from "../util/errors.ts";
import type { Catalogue, StoredImage } from "./catalogue.ts";
import type { ImageContext } from "./context.ts";
import { type ImageSummary, seconds, summaryOf, tagsAndDigests } from "./documents.ts";
import { familiarName, parseReference } from "./reference.ts";

/** Filters of a list or prune request: key to the values given for it. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/** Newest first. With `isShared`, sizes that are shared with other images are worked out. */
export async function listImages(
  context: ImageContext,
  filters: Filters,
  options: { readonly isShared: boolean },
): Promise<readonly ImageSummary[]> {
  const { catalogue } = context;
  const chosen = catalogue.images().filter(matcher(catalogue, filters));
  const patterns = filters.get("reference") ?? [];
  const summaries = await Promise.all(
    chosen.map(async (image) => {
      const summary = narrowed(await summaryOf(context, image), patterns);
      return options.isShared ? { ...summary, SharedSize: await sharedSize(context, image) } : summary;
    }),
  );
  // those that are removed meanwhile are left out
  const there = summaries.filter(({ Id }) => catalogue.get(Id) !== undefined);
  return there.sort((a, b) => b.Created - a.Created || (a.Id < b.Id ? -1 : 1));
}

/** A test for all filters at once; throws invalid on a value that makes no sense. */
export function matcher(catalogue: Catalogue, filters: Filters): (image: StoredImage) => boolean {
  const tests = [...filters].map(([key, values]) => filterTest(catalogue, key, values));
  return (image) => tests.every((test) => test(image));
}

function filterTest(
  catalogue: Catalogue,
  key: string,
  values: readonly string[],
): (image: StoredImage) => boolean {
  const created = (image: StoredImage) => seconds(image.config.created);
  const tags = (image: StoredImage) => tagsAndDigests(catalogue.names(image.id)).RepoTags;
  switch (key) {
    case "dangling": {
      const isWanted = booleanOf(key, values);
      return (image) => (tags(image).length === 0) === isWanted;
    }
    case "label":
      return (image) => values.every((value) => hasLabel(image, value));
    case "label!":
      return (image) => !values.some((value) => hasLabel(image, value));
    case "before": {
      const limit = Math.min(...values.map((value) => created(catalogue.find(value))));
      return (image) => created(image) < limit;
    }
    case "since": {
      const limit = Math.max(...values.map((value) => created(catalogue.find(value))));
      return (image) => created(image) > limit;
    }
    case "until": {
      const limit = Math.min(...values.map(untilSeconds));
      return (image) => created(image) < limit;
    }
    case "reference":
      return (image) => values.some((pattern) => tags(image).some((tag) => matchesReference(tag, pattern)));
    default:
      throw invalid(`invalid filter '${key}'`);
  }
}

/** With a reference filter, only the names that match are shown. */
function narrowed(summary: ImageSummary, patterns: readonly string[]): ImageSummary {
  if (patterns.length === 0) return summary;
  const keep = (name: string) => patterns.some((pattern) => matchesReference(name, pattern));
  return {
    ...summary,
    RepoTags: summary.RepoTags.filter(keep),
    RepoDigests: summary.RepoDigests.filter(keep),
  };
}

/** Bytes in layers that other images use too. */
export async function sharedSize({ catalogue, sizes }: ImageContext, image: StoredImage): Promise<number> {
  const others = new Set(catalogue.images().flatMap((other) => (other.id === image.id ? [] : other.chain)));
  return await sizes.chain(image.chain.filter((chainId) => others.has(chainId)));
}

/** Docker's rule: the pattern against the whole familiar reference, or against its name alone (Go's path.Match). */
export function matchesReference(familiar: string, pattern: string): boolean {
  const glob = globPattern(pattern);
  return glob.test(familiar) || glob.test(familiarName(parseReference(familiar)));
}

function globPattern(pattern: string): RegExp {
  const body = pattern.replace(
    /\\(.)|\[(\^?)([^\]]*)\]|[*?]|[.+^${}()|[\]\\]/g,
    (found, escaped, not, set) => {
      if (escaped !== undefined) return escaped.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      if (set !== undefined) return `[${not}${set.replace(/[\\\]]/g, "\\$&")}]`;
      if (found === "*") return "[^/]*";
      if (found === "?") return "[^/]";
      return `\\${found}`;
    },
  );
  try {
    return new RegExp(`^${body}$`);
  } catch (error) {
    throw invalid(`invalid filter 'reference=${pattern}': syntax error in pattern`, error);
  }
}

function hasLabel({ config }: StoredImage, wanted: string): boolean {
  const labels = config.config?.Labels ?? {};
  const at = wanted.indexOf("=");
  return at < 0 ? Object.hasOwn(labels, wanted) : labels[wanted.slice(0, at)] === wanted.slice(at + 1);
}

function booleanOf(key: string, values: readonly string[]): boolean {
  const value = (values[0] ?? "").toLowerCase();
  if (values.length === 1 && ["1", "true", "t"].includes(value)) return true;
  if (values.length === 1 && ["0", "false", "f"].includes(value)) return false;
  throw invalid(`invalid filter '${key}=[${values.join(" ")}]'`);
}

/** A time: seconds since 1970, RFC 3339, or how long ago (`10m`, `1h30m`). */
export function untilSeconds(value: string, nowMs = Date.now()): number {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value);
  if (/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(value)) return nowMs / 1000 - durationSeconds(value);
  const at = Date.parse(value);
  if (Number.isNaN(at)) throw invalid(`invalid filter 'until=${value}'`);
  return at / 1000;
}

function durationSeconds(text: string): number {
  const units: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (units[unit ?? ""] ?? 0), 0);
}
