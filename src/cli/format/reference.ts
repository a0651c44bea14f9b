// Image references: [domain/]path[:tag][@digest], normalised as Docker does (docker.io/library/…) and shortened again.

export interface Reference {
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

const pathPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;

/** Parses a name as people write it. Throws "invalid reference format" and its kin. */
export function parseReference(text: string): Reference {
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw new Error(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  const { domain, path } = splitDomain(hasTag ? named.slice(0, colon) : named);
  check(text, { path, tag, digest });
  return { domain, path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

function check(
  text: string,
  parts: { path: string; tag: string | undefined; digest: string | undefined },
): void {
  if (pathPattern.test(parts.path.toLowerCase()) && parts.path !== parts.path.toLowerCase()) {
    throw new Error(`invalid reference format: repository name (${parts.path}) must be lowercase`);
  }
  const good =
    text !== "" &&
    pathPattern.test(parts.path) &&
    (parts.tag === undefined || tagPattern.test(parts.tag)) &&
    (parts.digest === undefined || digestPattern.test(parts.digest));
  if (!good) throw new Error("invalid reference format");
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf("/");
  const head = name.slice(0, Math.max(slash, 0));
  const isDomain = slash >= 0 && (/[.:]/.test(head) || head === "localhost" || head !== head.toLowerCase());
  if (!isDomain) return { domain: "docker.io", path: slash < 0 ? `library/${name}` : name };
  const path = name.slice(slash + 1);
  if (head !== "docker.io" && head !== "index.docker.io") return { domain: head, path };
  return { domain: "docker.io", path: path.includes("/") ? path : `library/${path}` };
}

/** The name without docker.io and library/. */
export function familiarName(ref: Reference): string {
  if (ref.domain !== "docker.io") return `${ref.domain}/${ref.path}`;
  return /^library\/[^/]+$/.test(ref.path) ? ref.path.slice("library/".length) : ref.path;
}

/** The full name without tag and digest. */
export function canonicalName(ref: Reference): string {
  return `${ref.domain}/${ref.path}`;
}

const suffix = (ref: Reference) => (ref.tag ? `:${ref.tag}` : "") + (ref.digest ? `@${ref.digest}` : "");

/** The short form with tag and digest. */
export function familiarString(ref: Reference): string {
  return familiarName(ref) + suffix(ref);
}

/** The full form with tag and digest. */
export function canonicalString(ref: Reference): string {
  return `${ref.domain}/${ref.path}${suffix(ref)}`;
}

/** With the tag "latest" when it has neither tag nor digest. */
export function withDefaultTag(ref: Reference): Reference {
  return ref.tag === undefined && ref.digest === undefined ? { ...ref, tag: "latest" } : ref;
}
