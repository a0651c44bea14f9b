// Image references as Docker writes them: `nginx`, `nginx:1.25`, `localhost:5000/a/b@sha256:…`. The grammar and its
// messages are those of distribution/reference; nothing here knows which images exist.

import { invalid } from "../util/errors.ts";

/** A normalised reference: `docker.io` and `library/` are filled in, the tag is not. */
export interface Reference {
  /** Registry host with its port: `docker.io`, `localhost:5000`. */
  readonly domain: string;
  /** Repository within the registry: `library/nginx`. */
  readonly path: string;
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
}

const defaultDomain = "docker.io";
const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const domainPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const pathPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;
/** Longer than any valid reference: not worth matching. */
const longest = 2048;

/** Parses a reference; throws invalid with Docker's message. */
export function parseReference(text: string): Reference {
  if (/^[0-9a-f]{64}$/.test(text))
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  if (text.length > longest) throw invalid("invalid reference format");
  const { domain, rest } = splitDomain(text);
  const { path, tag, digest } = splitPath(rest);
  if (path !== path.toLowerCase())
    throw invalid(`invalid reference format: repository name (${path}) must be lowercase`);
  const isValid =
    domainPattern.test(domain) &&
    pathPattern.test(path) &&
    (tag === undefined || tagPattern.test(tag)) &&
    (digest === undefined || isDigest(digest));
  if (!isValid) throw invalid("invalid reference format");
  if (`${domain}/${path}`.length > 255) throw invalid("repository name must not be more than 255 characters");
  return { domain, path, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) };
}

/** The same reference with `:latest` where it names neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: "latest" }
    : reference;
}

/** The reference with this tag and no digest; throws invalid on a malformed tag. */
export function withTag({ domain, path }: Reference, tag: string): Reference {
  if (!tagPattern.test(tag)) throw invalid("invalid tag format");
  return { domain, path, tag };
}

/** The reference with this digest and no tag. */
export function withDigest({ domain, path }: Reference, digest: string): Reference {
  return { domain, path, digest };
}

/** `docker.io/library/nginx` */
export function repositoryOf({ domain, path }: Reference): string {
  return `${domain}/${path}`;
}

/** The full name that containerd keeps the image under: `docker.io/library/nginx:latest`, `…@sha256:…`. */
export function canonicalName(reference: Reference): string {
  return `${repositoryOf(reference)}${suffix(withDefaultTag(reference))}`;
}

/** The repository as people write it: `nginx`, `localhost:5000/a`. */
export function familiarName({ domain, path }: Reference): string {
  if (domain !== defaultDomain) return `${domain}/${path}`;
  return path.replace(/^library\/(?!.*\/)/, "");
}

/** The whole reference as people write it: `nginx:latest`. */
export function familiarString(reference: Reference): string {
  return `${familiarName(reference)}${suffix(reference)}`;
}

/** True for `sha256:` and 64 lower-case hex digits: the one algorithm that registries use. */
export function isDigest(text: string): boolean {
  return digestPattern.test(text);
}

function suffix({ tag, digest }: Reference): string {
  return `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** What stands before the first slash is a registry when it looks like a host; `docker/x` is a repository. */
function splitDomain(text: string): { domain: string; rest: string } {
  const slash = text.indexOf("/");
  const first = text.slice(0, Math.max(slash, 0));
  const isHost = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  const given = slash >= 0 && isHost ? first : defaultDomain;
  const domain = given === "index.docker.io" ? defaultDomain : given;
  const rest = slash >= 0 && isHost ? text.slice(slash + 1) : text;
  return { domain, rest: domain === defaultDomain && !rest.includes("/") ? `library/${rest}` : rest };
}

function splitPath(rest: string): { path: string; tag: string | undefined; digest: string | undefined } {
  const at = rest.indexOf("@");
  const digest = at >= 0 ? rest.slice(at + 1) : undefined;
  const named = at >= 0 ? rest.slice(0, at) : rest;
  const colon = named.indexOf(":");
  const tag = colon >= 0 ? named.slice(colon + 1) : undefined;
  return { path: colon >= 0 ? named.slice(0, colon) : named, tag, digest };
}
