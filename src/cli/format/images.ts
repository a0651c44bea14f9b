// Rows of `images`: one per tag, or per digest where digests are asked for.

import type { ImageSummary } from "../wire.ts";
import { familiarName, parseReference, type Reference } from "./reference.ts";
import { type ListLayout, type Row, truncateId } from "./rows.ts";
import { goTime } from "./time.ts";
import { ago, humanSize } from "./units.ts";

export const imageLayout: ListLayout = {
  typeName: "*formatter.imageContext",
  headers: {
    ID: "IMAGE ID",
    Repository: "REPOSITORY",
    Tag: "TAG",
    Digest: "DIGEST",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    Size: "SIZE",
    Containers: "CONTAINERS",
    VirtualSize: "SIZE",
    SharedSize: "SHARED SIZE",
    UniqueSize: "UNIQUE SIZE",
  },
};

const since = "{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}";
const rawTail = "image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";

/** The template behind `table` and `raw`; others are the user's own, with the digest where it was asked for. */
export function imageFormat(source: string, options: { quiet: boolean; digests: boolean }): string {
  const digest = options.digests ? "{{.Digest}}\t" : "";
  if (source === "table") {
    return options.quiet ? "{{.ID}}" : `table {{.Repository}}\t{{.Tag}}\t${digest}{{.ID}}\t${since}`;
  }
  if (source === "raw") {
    if (options.quiet) return "image_id: {{.ID}}";
    const digestLine = options.digests ? "digest: {{.Digest}}\n" : "";
    return `repository: {{ .Repository }}\ntag: {{.Tag}}\n${digestLine}${rawTail}`;
  }
  const adds = source.startsWith("table") && options.digests && !source.includes("{{.Digest}}");
  return adds ? `${source}\t{{.Digest}}` : source;
}

interface Name {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** The rows of one image. */
export function imageRows(
  image: ImageSummary,
  options: { truncate: boolean; digests: boolean; format: string },
): Row[] {
  return imageNames(image, options).map((name) => imageRow(image, name, options.truncate));
}

const none = "<none>";

function imageNames(image: ImageSummary, options: { digests: boolean; format: string }): Name[] {
  const tags = byRepository(image.RepoTags, (ref) => ref.tag);
  const digests = byRepository(image.RepoDigests, (ref) => ref.digest);
  const needDigest = options.digests || options.format.includes("{{.Digest}}");
  const names: Name[] = [];
  for (const [repository, ownTags] of tags) {
    const own = needDigest ? (digests.get(repository) ?? []) : [];
    for (const tag of ownTags) {
      for (const digest of own.length > 0 ? own : [none]) names.push({ repository, tag, digest });
    }
    digests.delete(repository);
  }
  for (const [repository, own] of digests) {
    for (const digest of options.digests ? own : [""]) names.push({ repository, tag: none, digest });
  }
  return names.length > 0 ? names : [{ repository: none, tag: none, digest: none }];
}

function byRepository(
  names: readonly string[] | null,
  part: (ref: Reference) => string | undefined,
): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const name of names ?? []) {
    if (name.startsWith(none)) continue;
    const ref = parseReference(name);
    const value = part(ref);
    if (value !== undefined) found.set(familiarName(ref), [...(found.get(familiarName(ref)) ?? []), value]);
  }
  return found;
}

function imageRow(image: ImageSummary, name: Name, truncate: boolean): Row {
  const unknown = (bytes: number, shown: () => string) => (bytes < 0 ? "N/A" : shown());
  return {
    ID: () => (truncate ? truncateId(image.Id) : image.Id),
    Repository: () => name.repository,
    Tag: () => name.tag,
    Digest: () => name.digest,
    CreatedSince: () => ago(image.Created),
    CreatedAt: () => goTime(image.Created),
    Size: () => humanSize(image.Size, 3),
    Containers: () => unknown(image.Containers, () => String(image.Containers)),
    VirtualSize: () => humanSize(image.Size),
    SharedSize: () => unknown(image.SharedSize, () => humanSize(image.SharedSize)),
    UniqueSize: () =>
      unknown(Math.min(image.Size, image.SharedSize), () => humanSize(image.Size - image.SharedSize)),
  };
}
