// The image store as the engine sees it: one object, built once by the daemon.

import type { Readable } from "node:stream";
import type { Containerd } from "../runtime/index.ts";
import { invalid, notFound } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import { Catalogue, type StoredImage } from "./catalogue.ts";
import type { ImageContext, ImageEvent, UsersOf } from "./context.ts";
import { distributionOf } from "./distribution.ts";
import { type HistoryRecord, historyOf, type ImageSummary, inspectionOf } from "./documents.ts";
import { type ImportRequest, importImage } from "./import.ts";
import { interruptible } from "./interruptible.ts";
import { type Filters, listImages } from "./list.ts";
import { loadArchive } from "./load.ts";
import { login } from "./login.ts";
import type { ExecutionConfig } from "./oci.ts";
import { choosePlatform, formatPlatform, type Platform, parsePlatform } from "./platform.ts";
import { type ProgressMessage, progressStream } from "./progress.ts";
import { type PullRequest, pullImage } from "./pull.ts";
import { type PushRequest, pushImages } from "./push.ts";
import { familiarString, parseReference, type Reference, withDefaultTag, withTag } from "./reference.ts";
import type { RegistryAuth } from "./registry/auth.ts";
import { pruneImages, type RemovedRecord, removeImage } from "./remove.ts";
import { saveImages } from "./save.ts";
import { SharedWork, Slots } from "./shared-work.ts";
import { Sizes } from "./sizes.ts";
import { Unpacker } from "./unpack.ts";

export interface ImagesOptions {
  readonly containerd: Containerd;
  readonly log?: Log;
  /** `host`, `host:port` or CIDR: plain HTTP and any certificate will do. Loopback always is. */
  readonly insecureRegistries?: readonly string[];
  /** Base URLs of mirrors of Docker Hub. */
  readonly registryMirrors?: readonly string[];
  readonly userAgent?: string;
  readonly maxConcurrentDownloads?: number;
  readonly maxConcurrentUploads?: number;
  readonly maxDownloadAttempts?: number;
  /** The first pause before a download is tried again, in milliseconds; it doubles each time. */
  readonly retryDelayMs?: number;
  /** Tells which containers use an image, by its id. */
  readonly usersOf?: UsersOf;
  readonly onEvent?: (event: ImageEvent) => void;
}

/** What a container needs to know of its image. */
export interface ResolvedImage {
  /** `sha256:…` */
  readonly id: string;
  /** The familiar name that it was asked for by; the id when it was asked for by id. */
  readonly name: string;
  readonly config: ExecutionConfig;
  /** Key of the top snapshot; empty for an image without layers. */
  readonly chainId: string;
  readonly platform: Platform;
}

export interface ImageUsage {
  readonly images: readonly ImageSummary[];
  /** Bytes of all layers, each counted once. */
  readonly layersBytes: number;
}

/** Every progress stream throws at the point of failure and, when its consumer leaves, stops the work. */
export interface Images {
  /** Throws not-found `No such image: x:latest`. Costs no call. */
  resolve(refOrId: string, platform?: string): Promise<ResolvedImage>;
  /** As resolve, at once; undefined instead of not-found. */
  find(refOrId: string): ResolvedImage | undefined;
  pull(request: PullRequest, signal: AbortSignal): AsyncIterable<ProgressMessage>;
  push(request: PushRequest, signal: AbortSignal): AsyncIterable<ProgressMessage>;
  load(
    archive: AsyncIterable<Uint8Array>,
    options: { readonly quiet: boolean },
    signal: AbortSignal,
  ): AsyncIterable<ProgressMessage>;
  import(request: ImportRequest, signal: AbortSignal): AsyncIterable<ProgressMessage>;
  save(names: readonly string[], signal: AbortSignal): Promise<Readable>;
  list(filters?: Filters, options?: { readonly sharedSize?: boolean }): Promise<readonly ImageSummary[]>;
  inspect(refOrId: string, options?: { readonly platform?: string }): ReturnType<typeof inspectionOf>;
  history(refOrId: string): Promise<readonly HistoryRecord[]>;
  tag(refOrId: string, target: { readonly repository: string; readonly tag: string }): Promise<void>;
  remove(refOrId: string, options: { readonly force: boolean }): Promise<readonly RemovedRecord[]>;
  prune(
    filters?: Filters,
  ): Promise<{ readonly deleted: readonly RemovedRecord[]; readonly reclaimedBytes: number }>;
  /** For `docker system df`. */
  usage(): Promise<ImageUsage>;
  /** Bytes on disk of an image's layers. */
  size(imageId: string): Promise<number>;
  /** How many images there are. */
  count(): number;
  /** `{Descriptor, Platforms}` of a name at its registry. */
  distribution(
    name: string,
    auth: RegistryAuth | undefined,
    signal: AbortSignal,
  ): ReturnType<typeof distributionOf>;
  /** `docker login`: throws unauthorized when the registry does not take the credentials. */
  login(auth: RegistryAuth, signal: AbortSignal): ReturnType<typeof login>;
}

/** Opens the store: reads the names, ids and configurations of all images once. */
export async function openImages(options: ImagesOptions): Promise<Images> {
  const context = contextOf(options);
  await context.catalogue.load(context.log);
  return imagesOn(context);
}

function contextOf(options: ImagesOptions): ImageContext {
  const { containerd, log = silentLog } = options;
  return {
    containerd,
    log,
    catalogue: new Catalogue(containerd),
    unpacker: new Unpacker(containerd, log),
    sizes: new Sizes(containerd.snapshots),
    registry: {
      userAgent: options.userAgent ?? "tsdocker",
      log,
      insecureRegistries: options.insecureRegistries ?? [],
      registryMirrors: options.registryMirrors ?? [],
    },
    downloads: new SharedWork(),
    downloadSlots: new Slots(options.maxConcurrentDownloads ?? 3),
    uploadSlots: new Slots(options.maxConcurrentUploads ?? 5),
    downloadAttempts: options.maxDownloadAttempts ?? 5,
    retryDelayMs: options.retryDelayMs ?? 1000,
    usersOf: options.usersOf ?? (() => []),
    emit: options.onEvent ?? (() => undefined),
  };
}

function imagesOn(context: ImageContext): Images {
  const { catalogue } = context;
  const find = (name: string) => lookUpOrUndefined(catalogue, name);
  return {
    resolve: async (name, platform) => resolved(catalogue.lookUp(name), platform),
    find(name) {
      const found = find(name);
      return found && resolved(found);
    },
    pull: (request, signal) =>
      progressStream(signal, (report, inner) => pullImage(context, request, report, inner)),
    push: (request, signal) =>
      progressStream(signal, (report, inner) => pushImages(context, request, report, inner)),
    load: (archive, { quiet }, signal) =>
      progressStream(signal, (report, inner) =>
        loadArchive(context, interruptible(archive, inner), { report, signal: inner, isQuiet: quiet }),
      ),
    import: (request, signal) =>
      progressStream(signal, (report, inner) =>
        importImage(context, { ...request, source: interruptible(request.source, inner) }, report, inner),
      ),
    save: (names, signal) => saveImages(context, names, signal),
    list: (filters = new Map(), { sharedSize = false } = {}) =>
      listImages(context, filters, { isShared: sharedSize }),
    async inspect(name, { platform } = {}) {
      const found = catalogue.lookUp(name);
      resolved(found, platform);
      return await inspectionOf(context, found.image);
    },
    history: async (name) => await historyOf(context, catalogue.find(name)),
    tag: async (name, target) => await tagImage(context, name, target),
    remove: (name, { force }) => removeImage(context, name, { force }),
    prune: (filters = new Map()) => pruneImages(context, filters),
    usage: () => usageOf(context),
    async size(imageId) {
      const image = catalogue.get(imageId);
      return image ? await context.sizes.chain(image.chain) : 0;
    },
    count: () => catalogue.images().length,
    distribution: (name, auth, signal) => distributionOf(context, name, auth, signal),
    login: (auth, signal) => login(context, auth, signal),
  };
}

function lookUpOrUndefined(catalogue: Catalogue, name: string) {
  try {
    return catalogue.lookUp(name);
  } catch {
    return undefined; // not found, ambiguous or no name at all: nothing to be found in any case
  }
}

function resolved(
  { image, reference }: { readonly image: StoredImage; readonly reference?: Reference },
  platform?: string,
): ResolvedImage {
  const { os, architecture, variant } = image.config;
  const own: Platform = { os, architecture, ...(variant && { variant }) };
  const name = reference ? familiarString(reference) : image.id;
  if (platform && !choosePlatform([{ platform: own }], parsePlatform(platform)))
    throw notFound(
      `image with reference ${name} was found but does not match the specified platform: wanted ${platform}, actual: ${formatPlatform(own)}`,
    );
  return {
    id: image.id,
    name,
    config: image.config.config ?? {},
    chainId: image.chain.at(-1) ?? "",
    platform: own,
  };
}

async function tagImage(
  context: ImageContext,
  name: string,
  { repository, tag }: { readonly repository: string; readonly tag: string },
): Promise<void> {
  const image = context.catalogue.find(name);
  const named = parseReference(repository);
  if (named.digest) throw invalid("refusing to create a tag with a digest reference");
  const reference = tag === "" ? withDefaultTag(named) : withTag(named, tag);
  await context.catalogue.setName(reference, image);
  context.emit({ action: "tag", id: image.id, name: familiarString(reference) });
}

async function usageOf(context: ImageContext): Promise<ImageUsage> {
  const all = context.catalogue.images();
  const summaries = await listImages(context, new Map(), { isShared: true });
  const images = summaries.map((one) => ({ ...one, Containers: context.usersOf(one.Id).length }));
  const layersBytes = await context.sizes.chain([...new Set(all.flatMap((image) => image.chain))]);
  return { images, layersBytes };
}
