// GET /distribution/{name}/json: what a name means at its registry, without pulling it.

import type { ImageContext } from "./context.ts";
import { parseConfig, parseManifest } from "./oci.ts";
import type { Platform } from "./platform.ts";
import { parseReference, withDefaultTag } from "./reference.ts";
import type { RegistryAuth } from "./registry/auth.ts";
import { connectRepository } from "./registry/connect.ts";
import { pullError } from "./registry/errors.ts";
import type { FetchedManifest, Repository } from "./registry/repository.ts";

/** Throws as pull does: unauthorized, not-found, internal when the registry cannot be reached. */
export async function distributionOf(
  context: ImageContext,
  name: string,
  auth: RegistryAuth | undefined,
  signal: AbortSignal,
) {
  const reference = withDefaultTag(parseReference(name));
  try {
    const { repository, answer } = await connectRepository(reference, context.registry, {
      ...(auth && { auth }),
      purpose: "pull",
      first: (repository) => repository.manifest(reference.digest ?? reference.tag ?? "latest", signal),
    });
    try {
      return { Descriptor: answer.descriptor, Platforms: await platformsOf(repository, answer, signal) };
    } finally {
      repository.close();
    }
  } catch (error) {
    throw pullError(error, reference);
  }
}

async function platformsOf(
  repository: Repository,
  { bytes }: FetchedManifest,
  signal: AbortSignal,
): Promise<readonly Platform[]> {
  const manifest = parseManifest(bytes);
  if (manifest.kind === "index") return manifest.manifests.flatMap(({ platform }) => platform ?? []);
  const parts: Uint8Array[] = [];
  const { body } = await repository.blob(manifest.config.digest, 0, signal);
  for await (const part of body) parts.push(part);
  const { os, architecture, variant } = parseConfig(Buffer.concat(parts));
  return [{ os, architecture, ...(variant && { variant }) }];
}
