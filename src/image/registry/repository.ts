// A repository on one endpoint: manifests, blobs, tags, in the distribution specification's words. Retries nothing.

import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Descriptor } from "../../runtime/index.ts";
import { acceptedManifests, digestOf } from "../oci.ts";
import { Authorizer, parseChallenges, type RegistryAuth } from "./auth.ts";
import { type Endpoint, isInsecure } from "./endpoints.ts";
import { registryError } from "./errors.ts";
import { bodyOf, type Exchange, HttpClient } from "./http.ts";

export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** A blob's bytes from `offset` on; a registry that knows no ranges starts at 0 whatever was asked for. */
export interface BlobStream {
  readonly offset: number;
  readonly body: AsyncIterable<Uint8Array>;
}

type Request = Omit<Exchange, "url"> & { readonly path: string };

const manifestLimit = 4 * 1024 * 1024;

/** One repository at one endpoint with one set of credentials. The owner closes it. */
export class Repository {
  readonly endpoint: Endpoint;
  readonly name: string;
  readonly #http: HttpClient;
  readonly #authorizer: Authorizer;

  constructor(endpoint: Endpoint, name: string, options: { auth?: RegistryAuth; userAgent: string }) {
    const { verifiesTls, base } = endpoint;
    this.endpoint = endpoint;
    this.name = name;
    const usesProxy = !isInsecure(new URL(base).host, []);
    this.#http = new HttpClient({ verifiesTls, usesProxy, userAgent: options.userAgent });
    this.#authorizer = new Authorizer(this.#http, options.auth);
  }

  /** Asks whether the registry is there and takes our credentials. */
  async ping(signal: AbortSignal): Promise<void> {
    const response = await this.#send({ method: "GET", path: "/v2/", signal }, "");
    await this.#expect(response, [200], "/v2/");
  }

  /** Fetches a manifest by tag or digest, and checks what it hashes to. */
  async manifest(reference: string, signal: AbortSignal): Promise<FetchedManifest> {
    const path = this.#path(`manifests/${reference}`);
    const response = await this.#pull({ method: "GET", path, headers: acceptManifests, signal });
    const bytes = await this.#expect(response, [200], path);
    const digest = digestOf(bytes);
    const wanted = reference.includes(":") ? reference : response.headers["docker-content-digest"];
    if (wanted !== undefined && String(wanted).startsWith("sha256:") && wanted !== digest)
      throw new Error(`manifest verification failed for digest ${wanted}: got ${digest}`);
    return { descriptor: { mediaType: manifestType(response, bytes), digest, size: bytes.length }, bytes };
  }

  /** A manifest's descriptor without its body; undefined when the registry does not have it or does not say. */
  async headManifest(reference: string, signal: AbortSignal): Promise<Descriptor | undefined> {
    const path = this.#path(`manifests/${reference}`);
    const response = await this.#pull({ method: "HEAD", path, headers: acceptManifests, signal });
    response.resume();
    const digest = response.headers["docker-content-digest"];
    if (response.statusCode !== 200 || typeof digest !== "string") return undefined;
    const size = Number(response.headers["content-length"] ?? 0);
    return { mediaType: response.headers["content-type"] ?? "", digest, size };
  }

  /** Opens a blob at `offset`. */
  async blob(digest: string, offset: number, signal: AbortSignal): Promise<BlobStream> {
    const path = this.#path(`blobs/${digest}`);
    const headers = { "accept-encoding": "identity", ...(offset > 0 && { range: `bytes=${offset}-` }) };
    const response = await this.#pull({ method: "GET", path, headers, signal });
    if (response.statusCode === 206) return { offset: rangeStart(response, offset), body: response };
    if (response.statusCode === 416 && offset > 0) {
      response.resume();
      return await this.blob(digest, 0, signal);
    }
    if (response.statusCode === 200) return { offset: 0, body: response };
    throw await this.#failure(response, path);
  }

  async hasBlob(digest: string, signal: AbortSignal): Promise<boolean> {
    const path = this.#path(`blobs/${digest}`);
    const response = await this.#push({ method: "HEAD", path, signal });
    response.resume();
    if (response.statusCode === 200) return true;
    if (response.statusCode === 404) return false;
    throw await this.#failure(response, path);
  }

  /**
   * Uploads a blob in one piece. With `mountFrom`, another repository of the same registry, the registry may take it
   * from there: then "mounted" is returned and `source` is never opened.
   */
  async upload(
    blob: Descriptor,
    source: () => AsyncIterable<Uint8Array>,
    options: { readonly mountFrom?: string; readonly signal: AbortSignal },
  ): Promise<"mounted" | "uploaded"> {
    const { mountFrom, signal } = options;
    const query = mountFrom ? `?${new URLSearchParams({ mount: blob.digest, from: mountFrom })}` : "";
    const path = `${this.#path("blobs/uploads/")}${query}`;
    const begun = await this.#push({ method: "POST", path, signal }, mountFrom);
    if (begun.statusCode === 201) {
      begun.resume();
      return "mounted";
    }
    await this.#expect(begun, [202], path);
    const target = new URL(begun.headers.location ?? "", new URL(path, this.endpoint.base));
    target.searchParams.set("digest", blob.digest);
    const headers = { "content-type": "application/octet-stream", "content-length": String(blob.size) };
    const body = Readable.from(source(), { objectMode: false });
    const put = { method: "PUT", headers, body, signal, path };
    const response = await this.#authorized(target, put, this.#pushScope());
    await this.#expect(response, [201], target.pathname);
    return "uploaded";
  }

  /** Stores a manifest under a tag or its digest. */
  async putManifest(
    reference: string,
    manifest: { readonly mediaType: string; readonly bytes: Uint8Array },
    signal: AbortSignal,
  ): Promise<void> {
    const path = this.#path(`manifests/${reference}`);
    const headers = { "content-type": manifest.mediaType, "content-length": String(manifest.bytes.length) };
    const response = await this.#push({ method: "PUT", path, headers, body: manifest.bytes, signal });
    await this.#expect(response, [201, 202], path);
  }

  /** Every tag, page by page. */
  async tags(signal: AbortSignal): Promise<readonly string[]> {
    const tags: string[] = [];
    let path: string | undefined = this.#path("tags/list");
    for (let page = 0; path !== undefined && page < 1000; page++) {
      const response: IncomingMessage = await this.#pull({ method: "GET", path, signal });
      const body = await this.#expect(response, [200], path);
      tags.push(...((JSON.parse(body.toString()) as { tags?: string[] | null }).tags ?? []));
      path = nextPage(response, path);
    }
    return tags;
  }

  close(): void {
    this.#http.close();
  }

  #path(rest: string): string {
    return `/v2/${this.name}/${rest}`;
  }

  #pull(request: Request) {
    return this.#send(request, `repository:${this.name}:pull`);
  }

  #push(request: Request, mountFrom?: string) {
    const other = mountFrom ? ` repository:${mountFrom}:pull` : "";
    return this.#send(request, `${this.#pushScope()}${other}`);
  }

  #pushScope(): string {
    return `repository:${this.name}:pull,push`;
  }

  #send(request: Request, scope: string): Promise<IncomingMessage> {
    return this.#authorized(new URL(request.path, this.endpoint.base), request, scope);
  }

  /** Sends, and once more with an answer to the registry's challenge; a stream can only be sent once. */
  async #authorized(url: URL, { path: _, ...request }: Request, scope: string): Promise<IncomingMessage> {
    const send = (authorization: string | undefined) =>
      this.#http.send({
        ...request,
        url,
        headers: { ...request.headers, ...(authorization && { authorization }) },
      });
    const response = await send(await this.#authorizer.header(scope, request.signal));
    const challenge = response.headers["www-authenticate"];
    if (response.statusCode !== 401 || challenge === undefined || request.body instanceof Readable)
      return response;
    response.resume();
    return await send(await this.#authorizer.answer(parseChallenges(challenge), scope, request.signal));
  }

  async #expect(response: IncomingMessage, statuses: readonly number[], path: string): Promise<Buffer> {
    if (!statuses.includes(response.statusCode ?? 0)) throw await this.#failure(response, path);
    return await bodyOf(response, manifestLimit);
  }

  async #failure(response: IncomingMessage, path: string): Promise<Error> {
    const body = await bodyOf(response, 64 * 1024).catch(() => Buffer.alloc(0));
    const url = new URL(path, this.endpoint.base);
    return registryError(response.statusCode ?? 0, body.toString(), `request to ${url.href}`);
  }
}

const acceptManifests = { accept: acceptedManifests.join(", ") };

/** The type a registry names, or the one that the document itself names when the registry is vague. */
function manifestType(response: IncomingMessage, bytes: Buffer): string {
  const named = (response.headers["content-type"] ?? "").split(";", 1)[0]?.trim() ?? "";
  if (acceptedManifests.includes(named)) return named;
  try {
    const { mediaType } = JSON.parse(bytes.toString()) as { mediaType?: unknown };
    return typeof mediaType === "string" ? mediaType : named;
  } catch {
    return named; // it is no JSON: parsing the manifest will say so
  }
}

function rangeStart(response: IncomingMessage, asked: number): number {
  const start = /^bytes (\d+)-/.exec(response.headers["content-range"] ?? "")?.[1];
  return start === undefined ? asked : Number(start);
}

/** `Link: </v2/x/tags/list?last=b&n=2>; rel="next"` */
function nextPage(response: IncomingMessage, path: string): string | undefined {
  const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(response.headers.link ?? ""))?.[1];
  if (link === undefined) return undefined;
  const url = new URL(link, new URL(path, "http://registry"));
  return `${url.pathname}${url.search}`;
}
