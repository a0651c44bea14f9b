// Images. Names may hold slashes, so what follows them is found at the path's end.

import { pipeline } from "node:stream/promises";
import type { Engine, JsonObject } from "../../engine/types.ts";
import { invalid, notFound } from "../../util/errors.ts";
import type { Call } from "../call.ts";
import { anyValue, booleanValue, type KnownFilters, readFilters, readPruneFilters } from "../filters.ts";
import { type Answer, created, get, ok, post, type Route, remove, streamed } from "../route.ts";
import type { ImageDeleteItem, ImagesPruneResponse } from "../schemas/image.ts";
import { defined } from "../text.ts";
import { type ApiVersion, isBefore } from "../version.ts";
import { readRegistryAuth } from "./auth.ts";
import { emptyConfig } from "./empty-config.ts";
import { sendProgress } from "./progress.ts";

export const imageRoutes = (engine: Engine): readonly Route[] => [
  get("/images/json", async (call) => ok(await listImages(engine, call))),
  post("/images/create", (call) =>
    call.query.text("fromSrc") ? importImage(engine, call) : pull(engine, call),
  ),
  post("/images/load", (call) =>
    sendProgress(call, engine.images.load(call.body, { quiet: call.query.flag("quiet") }, call.signal)),
  ),
  get("/images/get", (call) => save(engine, call, call.query.all("names"))),
  post("/images/prune", async (call) => {
    const filters = readPruneFilters(call.query, { dangling: booleanValue }, new Date());
    const { deleted, reclaimedBytes } = await engine.images.prune(filters);
    return ok({
      ImagesDeleted: deleted.length > 0 ? (deleted as readonly ImageDeleteItem[]) : null,
      SpaceReclaimed: reclaimedBytes,
    } satisfies ImagesPruneResponse);
  }),
  get("/images/*", (call) => serveNamed(call, { json, history, get: saveOne }, engine)),
  post("/images/*", (call) => serveNamed(call, { push, tag }, engine)),
  remove("/images/*", async (call) => {
    const options = { force: call.query.flag("force"), noPrune: call.query.flag("noprune") };
    return ok(await engine.images.remove(call.parameter("*"), options));
  }),
  get("/distribution/*", (call) => serveNamed(call, { json: distribution }, engine)),
];

type NamedHandle = (engine: Engine, call: Call, name: string) => Promise<Answer>;

/** Splits `library/nginx/json` into a name and what is asked of it. */
function serveNamed(
  call: Call,
  handles: Readonly<Record<string, NamedHandle>>,
  engine: Engine,
): Promise<Answer> {
  const path = call.parameter("*");
  const slash = path.lastIndexOf("/");
  const word = path.slice(slash + 1);
  const handle = Object.hasOwn(handles, word) ? handles[word] : undefined;
  if (slash <= 0 || !handle) throw notFound("page not found");
  return handle(engine, call, path.slice(0, slash));
}

const listFilters: KnownFilters = {
  before: anyValue,
  dangling: booleanValue,
  label: anyValue,
  reference: anyValue,
  since: anyValue,
  until: anyValue,
};

async function listImages({ images }: Engine, { query, version }: Call): Promise<readonly JsonObject[]> {
  const list = await images.list({
    all: query.flag("all"),
    digests: query.flag("digests"),
    sharedSize: query.flag("shared-size"),
    manifests: query.flag("manifests"),
    filters: readFilters(query, listFilters),
  });
  return list.map((image) => ({ ...image, ...legacySize(image, version) }) as JsonObject);
}

async function pull({ images }: Engine, call: Call): Promise<Answer> {
  const name = call.query.text("fromImage");
  if (name === undefined) throw invalid("invalid reference format: neither fromImage nor fromSrc is given");
  const tag = call.query.text("tag");
  const separator = tag?.includes(":") ? "@" : ":";
  const request = {
    reference: tag === undefined ? name : `${name}${separator}${tag}`,
    ...defined({
      platform: call.query.text("platform"),
      auth: readRegistryAuth(call.header("x-registry-auth")),
    }),
  };
  return sendProgress(call, images.pull(request, call.signal));
}

async function importImage({ images }: Engine, call: Call): Promise<Answer> {
  const { query } = call;
  const source = query.text("fromSrc");
  if (source !== "-")
    throw invalid(`import from ${source}: only the request's body (fromSrc=-) can be imported`);
  const request = {
    source: call.body,
    repository: query.text("repo") ?? "",
    tag: query.text("tag") ?? "",
    message: query.text("message") ?? "",
    changes: query.all("changes"),
    ...defined({ platform: query.text("platform") }),
  };
  return sendProgress(call, images.import(request, call.signal));
}

const saveOne: NamedHandle = (engine, call, name) => save(engine, call, [name]);

async function save({ images }: Engine, call: Call, names: readonly string[]): Promise<Answer> {
  if (names.length === 0) throw invalid("no image names given");
  const { signal } = call;
  const archive = await images.save(names, signal);
  const stream = call.openStream("application/x-tar");
  await pipeline(archive, async (chunks: AsyncIterable<Uint8Array>) => {
    for await (const chunk of chunks) await stream.write(chunk);
  });
  stream.end();
  return streamed;
}

const json: NamedHandle = async ({ images }, call, name) => {
  const image = await images.inspect(name, defined({ platform: call.query.text("platform") }));
  return ok({ ...image, ...legacyInspect(call.version), ...legacySize(image, call.version) });
};

/** What versions before 1.45 have, and compose 1 fails without: the container that the image was committed from. */
function legacyInspect(version: ApiVersion): object {
  return isBefore(version, 45) ? { Container: "", ContainerConfig: emptyConfig } : {};
}

/** Before 1.44 the size is there twice. */
function legacySize({ Size }: JsonObject, version: ApiVersion): object {
  return isBefore(version, 44) ? { VirtualSize: Size } : {};
}

const history: NamedHandle = async ({ images }, _call, name) => ok(await images.history(name));

const distribution: NamedHandle = async ({ images }, call, name) =>
  ok(await images.distribution(name, readRegistryAuth(call.header("x-registry-auth")), call.signal));

const push: NamedHandle = (engine, call, name) => {
  const request = {
    name,
    tag: call.query.text("tag") ?? "",
    ...defined({
      platform: call.query.text("platform"),
      auth: readRegistryAuth(call.header("x-registry-auth")),
    }),
  };
  return sendProgress(call, engine.images.push(request, call.signal));
};

const tag: NamedHandle = async ({ images }, call, name) => {
  const repo = call.query.text("repo");
  if (repo === undefined) throw invalid("invalid reference format: repo is empty");
  // `repo` may bring its tag along
  const [, repository = repo, own] = /^(.+):([^/]+)$/.exec(repo) ?? [];
  await images.tag(name, { repository, tag: call.query.text("tag") ?? own ?? "latest" });
  return created(undefined);
};
