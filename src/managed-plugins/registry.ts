// Plugins at registries: a manifest with one layer whose configuration is the plugin's config.json.

import { createHash } from "node:crypto";
import {
  byteProgress,
  connectRepository,
  type Manifest,
  type ProgressMessage,
  parseManifest,
  progressStream,
  pullError,
  pushError,
  type Reference,
  type RegistryAuth,
  type RegistryOptions,
  type Repository,
  repositoryOf,
  shortDigest,
} from "../image/index.ts";
import { EngineError, invalid } from "../util/errors.ts";
import { isGranted, type PluginConfig, type Privilege, parsePluginConfig, privilegesOf } from "./config.ts";
import type { ManagedPlugins } from "./managed.ts";
import { type PluginName, readRemote } from "./names.ts";
import type { PluginRecord } from "./record.ts";

const configType = "application/vnd.docker.plugin.v1+json";
const manifestType = "application/vnd.docker.distribution.manifest.v2+json";
const configLimitBytes = 4 << 20;

type Report = (message: ProgressMessage) => void;

export interface PluginRequest {
  /** As typed. */
  readonly remote: string;
  readonly auth?: RegistryAuth;
}

export interface PluginPull extends PluginRequest {
  /** What it shall be called here. */
  readonly name: PluginName;
  readonly privileges: readonly Privilege[];
}

/** What a plugin at a registry asks for. @throws as pull */
export async function remotePrivileges(
  registry: RegistryOptions,
  request: PluginRequest,
  signal: AbortSignal,
): Promise<readonly Privilege[]> {
  return await withRemote(registry, request, signal, async ({ config }) => privilegesOf(config));
}

/** Brings it in, disabled. `onDone` is called when it is on record. */
export function pullPlugin(
  plugins: ManagedPlugins,
  registry: RegistryOptions,
  request: PluginPull,
  onDone: (record: PluginRecord) => Promise<void>,
  signal: AbortSignal,
): AsyncIterable<ProgressMessage> {
  return progressStream(signal, (report, inner) =>
    withRemote(registry, request, inner, async (remote) => {
      const { config, repository, manifest, digest, reference } = remote;
      const [layer, ...more] = manifest.layers;
      if (!layer || more.length > 0)
        throw invalid(`plugin ${request.remote}: ${manifest.layers.length} layers, one is wanted`);
      if (!isGranted(config, request.privileges))
        throw new EngineError("forbidden", "incorrect privileges: not those that the plugin asks for");
      const id = shortDigest(layer.digest);
      report({ status: `Pulling from ${reference.path}`, id: reference.tag ?? reference.digest ?? "" });
      const progress = byteProgress(report, { id, status: "Downloading", total: layer.size });
      const { body } = await repository.blob(layer.digest, 0, inner);
      const bytes = counted(body, progress);
      const name = `${repositoryOf(reference)}${reference.digest ? `@${reference.digest}` : `:${reference.tag}`}`;
      const source = { bytes, mediaType: layer.mediaType, digest: layer.digest };
      const record = await plugins.add(request.name, source, async (diffId) => {
        const [told] = config.rootfs?.diff_ids ?? [];
        if (told !== undefined && told !== diffId)
          throw invalid(`plugin ${request.remote}: its root file system is ${diffId}, not ${told}`);
        return { config, reference: name };
      });
      report({ status: "Download complete", id });
      await onDone(record);
      report({ status: `Digest: ${digest}` });
      report({ status: `Status: Downloaded newer image for ${request.remote}` });
    }),
  );
}

/** Takes it to the registry that its name names. */
export function pushPlugin(
  plugins: ManagedPlugins,
  registry: RegistryOptions,
  { record, auth }: { readonly record: PluginRecord; readonly auth?: RegistryAuth },
  signal: AbortSignal,
): AsyncIterable<ProgressMessage> {
  return progressStream(signal, async (report, inner) => {
    const reference = readRemote(record.name);
    report({ status: `The push refers to repository [${repositoryOf(reference)}]` });
    try {
      const { repository } = await connectRepository(reference, registry, {
        ...(auth && { auth }),
        purpose: "push",
        first: (repository) => repository.ping(inner),
      });
      try {
        await sendPlugin(plugins, { record, repository, tag: reference.tag ?? "latest" }, report, inner);
      } finally {
        repository.close();
      }
    } catch (error) {
      throw pushError(error);
    }
  });
}

interface Sending {
  readonly record: PluginRecord;
  readonly repository: Repository;
  readonly tag: string;
}

async function sendPlugin(
  plugins: ManagedPlugins,
  { record, repository, tag }: Sending,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const { containerd } = await plugins.ground();
  const { layer } = record;
  const id = shortDigest(layer.digest);
  const config = Buffer.from(JSON.stringify(record.config));
  const described = { mediaType: configType, digest: digestOf(config), size: config.length };
  const progress = byteProgress(report, { id, status: "Pushing", total: layer.size });
  if (await repository.hasBlob(layer.digest, signal)) report({ status: "Layer already exists", id });
  else {
    const read = () => counted(containerd.content.read(layer.digest, {}, { signal }), progress);
    await repository.upload(layer, read, { signal });
    report({ status: "Pushed", id });
  }
  if (!(await repository.hasBlob(described.digest, signal)))
    await repository.upload(described, () => once(config), { signal });
  const manifest = { schemaVersion: 2, mediaType: manifestType, config: described, layers: [layer] };
  const bytes = Buffer.from(JSON.stringify(manifest, undefined, 3));
  await repository.putManifest(tag, { mediaType: manifestType, bytes }, signal);
  const digest = digestOf(bytes);
  report({ status: `${tag}: digest: ${digest} size: ${bytes.length}` });
  report({ aux: { Tag: tag, Digest: digest, Size: bytes.length } });
}

interface Remote {
  readonly repository: Repository;
  readonly reference: Reference;
  readonly manifest: Manifest;
  /** Of the manifest. */
  readonly digest: string;
  readonly config: PluginConfig;
}

/** Runs `work` with what the registry says of a plugin. @throws not-found, unauthorized, invalid for what is no plugin */
async function withRemote<T>(
  registry: RegistryOptions,
  { remote, auth }: PluginRequest,
  signal: AbortSignal,
  work: (remote: Remote) => Promise<T>,
): Promise<T> {
  const reference = readRemote(remote);
  try {
    const { repository, answer } = await connectRepository(reference, registry, {
      ...(auth && { auth }),
      purpose: "pull",
      first: (repository) => repository.manifest(reference.digest ?? reference.tag ?? "latest", signal),
    });
    try {
      const manifest = parseManifest(answer.bytes);
      const type = manifest.kind === "manifest" ? manifest.config.mediaType : "";
      if (manifest.kind !== "manifest" || type !== configType)
        throw invalid(`Encountered remote ${JSON.stringify(type || "index")}(image) when fetching`);
      const config = parsePluginConfig(await readConfig(repository, manifest, signal));
      const { digest } = answer.descriptor;
      return await work({ repository, reference, manifest, digest, config });
    } finally {
      repository.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw pullError(error, reference);
  }
}

async function readConfig(
  repository: Repository,
  { config: { digest } }: Manifest,
  signal: AbortSignal,
): Promise<string> {
  const { body } = await repository.blob(digest, 0, signal);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > configLimitBytes) throw invalid(`plugin config ${digest}: too long`);
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  if (digestOf(bytes) !== digest) throw invalid(`plugin config ${digest}: the registry sent something else`);
  return bytes.toString("utf8");
}

async function* counted(source: AsyncIterable<Uint8Array>, progress: (current: number) => void) {
  let current = 0;
  for await (const part of source) {
    yield part;
    current += part.length;
    progress(current);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
