// The image operations: the image store's, in the engine's words.

import type { EngineContext } from "./parts.ts";
import type { ImageOperations, JsonObject } from "./types.ts";

export function imageOperations(context: EngineContext): ImageOperations {
  const { images } = context;
  // a name that comes while its image goes would be one of nothing
  const locked = <T>(work: () => Promise<T>) => context.locks.run("images", work);
  return {
    list: async ({ filters, sharedSize }) => asDocuments(await images.list(filters, { sharedSize })),
    inspect: async (name, options) => asDocument(await images.inspect(name, options)),
    history: async (name) => asDocuments(await images.history(name)),
    pull: (request, signal) => images.pull(request, signal),
    import: (request, signal) => images.import(request, signal),
    load: (archive, options, signal) => images.load(archive, options, signal),
    save: (names, signal) => images.save(names, signal),
    push: (request, signal) => images.push(request, signal),
    tag: (name, target) => locked(() => images.tag(name, target)),
    remove: async (name, options) => asDocuments(await locked(() => images.remove(name, options))),
    async prune(filters) {
      const { deleted, reclaimedBytes } = await locked(() => images.prune(filters));
      context.events.publish("image", "prune", "", { reclaimed: String(reclaimedBytes) });
      return { deleted: asDocuments(deleted), reclaimedBytes };
    },
    distribution: async (name, auth, signal) => asDocument(await images.distribution(name, auth, signal)),
    authenticate: async (auth) => await images.login(auth, new AbortController().signal),
  };
}

function asDocument(document: object): JsonObject {
  return document as JsonObject;
}

function asDocuments(documents: readonly object[]): readonly JsonObject[] {
  return documents as readonly JsonObject[];
}
