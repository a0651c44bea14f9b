// docker rmi and docker image prune, by the rules of Docker's classic image store: a name goes, and the image with its
// last name; containers that use an image hold it back.

import { conflict } from "../util/errors.ts";
import { shortId } from "../util/ids.ts";
import type { StoredImage } from "./catalogue.ts";
import type { ImageContext } from "./context.ts";
import { type Filters, matcher } from "./list.ts";
import { canonicalName, familiarName, familiarString, type Reference, repositoryOf } from "./reference.ts";

export type RemovedRecord = { readonly Untagged: string } | { readonly Deleted: string };

/** Removes a name, or by id the whole image. Throws not-found, or conflict with Docker's text. */
export async function removeImage(
  context: ImageContext,
  text: string,
  { force }: { readonly force: boolean },
): Promise<readonly RemovedRecord[]> {
  const { image, reference } = context.catalogue.lookUp(text);
  const records: RemovedRecord[] = [];
  if (reference) {
    checkUntag(context, image, { text, force });
    records.push(...(await untag(context, image, referencesToDrop(context, image, reference))));
    if (namesOf(context, image).length > 0) return records;
    const isUsed = context.usersOf(image.id);
    // The name is gone all the same; who still runs the image keeps it, nameless.
    if (isUsed.some((user) => user.isRunning) || (isUsed.length > 0 && !force)) return records;
  } else checkDelete(context, image, force);
  records.push(...(await deleteImage(context, image)));
  return records;
}

/** Removes images that nothing uses: nameless ones, or with `dangling=false` all. */
export async function pruneImages(
  context: ImageContext,
  filters: Filters,
): Promise<{ readonly deleted: readonly RemovedRecord[]; readonly reclaimedBytes: number }> {
  const { catalogue } = context;
  const dangling = filters.get("dangling") ?? ["true"];
  const isAll = ["0", "false", "f"].includes((dangling[0] ?? "").toLowerCase());
  const rest = new Map([...filters].filter(([key]) => key !== "dangling"));
  const matches = matcher(catalogue, isAll ? rest : new Map([...rest, ["dangling", ["true"]]]));
  const deleted: RemovedRecord[] = [];
  let reclaimedBytes = 0;
  const isUnused = (image: StoredImage) =>
    catalogue.get(image.id) !== undefined && matches(image) && context.usersOf(image.id).length === 0;
  for (const image of catalogue.images()) {
    if (!isUnused(image)) continue;
    const bytes = await context.sizes.chain(ownLayers(context, image));
    // a container may have come meanwhile
    if (!isUnused(image)) continue;
    reclaimedBytes += bytes;
    deleted.push(...(await deleteImage(context, image)));
  }
  return { deleted, reclaimedBytes };
}

function checkUntag(
  context: ImageContext,
  image: StoredImage,
  request: { text: string; force: boolean },
): void {
  const [user] = context.usersOf(image.id);
  if (request.force || !user || !isSingleReference(namesOf(context, image))) return;
  throw conflict(
    `conflict: unable to remove repository reference "${request.text}" (must force) - container ${shortId(user.containerId)} is using its referenced image ${shortImageId(image)}`,
  );
}

function checkDelete(context: ImageContext, image: StoredImage, force: boolean): void {
  const users = context.usersOf(image.id);
  const refuse = (how: string, why: string) =>
    conflict(`conflict: unable to delete ${shortImageId(image)} (${how}) - ${why}`);
  const running = users.find((user) => user.isRunning);
  if (running)
    throw refuse(
      "cannot be forced",
      `image is being used by running container ${shortId(running.containerId)}`,
    );
  if (force) return;
  if (!isSingleReference(namesOf(context, image)))
    throw refuse("must be forced", "image is referenced in multiple repositories");
  const [stopped] = users;
  if (stopped)
    throw refuse(
      "must be forced",
      `image is being used by stopped container ${shortId(stopped.containerId)}`,
    );
}

/** With a repository's last tag go its digests. */
function referencesToDrop(
  context: ImageContext,
  image: StoredImage,
  reference: Reference,
): readonly Reference[] {
  if (reference.digest !== undefined) return [reference];
  const name = canonicalName(reference);
  const others = namesOf(context, image).filter(
    (one) => repositoryOf(one) === repositoryOf(reference) && canonicalName(one) !== name,
  );
  return others.some((one) => one.tag !== undefined) ? [reference] : [reference, ...others];
}

async function untag(
  context: ImageContext,
  image: StoredImage,
  references: readonly Reference[],
): Promise<readonly RemovedRecord[]> {
  const { catalogue } = context;
  // The record without a name comes first: at no time is the image up for collection.
  if (references.length === namesOf(context, image).length) await catalogue.keep(image);
  for (const reference of references) {
    await catalogue.dropName(reference);
    context.emit({ action: "untag", id: image.id, name: familiarName(reference) });
  }
  return references.map((reference) => ({ Untagged: familiarString(reference) }));
}

async function deleteImage(context: ImageContext, image: StoredImage): Promise<readonly RemovedRecord[]> {
  const names = namesOf(context, image);
  const layers = context.usersOf(image.id).length > 0 ? [] : ownLayers(context, image);
  await context.catalogue.drop(image.id);
  for (const name of names) context.emit({ action: "untag", id: image.id, name: familiarName(name) });
  context.emit({ action: "delete", id: image.id, name: image.id });
  return [
    ...names.map((name) => ({ Untagged: familiarString(name) })),
    { Deleted: image.id },
    ...layers.reverse().map((chainId) => ({ Deleted: chainId })),
  ];
}

/** The chain ids that no other image has, bottom first. */
function ownLayers({ catalogue }: ImageContext, image: StoredImage): string[] {
  const others = new Set(catalogue.images().flatMap((other) => (other.id === image.id ? [] : other.chain)));
  return image.chain.filter((chainId) => !others.has(chainId));
}

/** True when an image's names are one repository's: at most one tag, with digests of the same repository. */
export function isSingleReference(references: readonly Reference[]): boolean {
  if (references.length <= 1) return true;
  const tags = references.filter((one) => one.digest === undefined);
  const repositories = new Set(references.filter((one) => one.digest !== undefined).map(repositoryOf));
  if (tags.length > 1 || repositories.size !== 1) return false;
  const [single = references[0]] = tags;
  return single !== undefined && repositories.has(repositoryOf(single));
}

const namesOf = ({ catalogue }: ImageContext, image: StoredImage) =>
  catalogue.names(image.id).map(({ reference }) => reference);

const shortImageId = (image: StoredImage) => shortId(image.id.replace("sha256:", ""));
