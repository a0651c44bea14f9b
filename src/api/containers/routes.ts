// Containers: create, list, inspect and everything that answers with one document. The streams are in streams.ts.

import type { Engine, StopOptions, TerminalSize } from "../../engine/types.ts";
import { invalid } from "../../util/errors.ts";
import type { Call } from "../call.ts";
import {
  anyValue,
  booleanValue,
  integerValue,
  type KnownFilters,
  oneOf,
  portValue,
  readFilters,
  readPruneFilters,
} from "../filters.ts";
import { created, done, get, noContent, ok, post, type Route, remove } from "../route.ts";
import {
  type ContainersPruneResponse,
  type CreateContainerResponse,
  createContainerRequest,
  type TopResponse,
  type UpdateContainerResponse,
  updateContainerRequest,
} from "../schemas/index.ts";
import { defined } from "../text.ts";
import { inspectWire } from "./inspect.ts";
import { portRoutes } from "./port-routes.ts";
import { readResources, readRestartPolicy } from "./resources.ts";
import { readContainerSpec } from "./spec.ts";
import { summarize } from "./summary.ts";

export const containerRoutes = (engine: Engine): readonly Route[] => [
  ...containerDocuments(engine),
  ...containerActions(engine),
  ...portRoutes(engine),
];

const containerDocuments = ({ containers }: Engine): readonly Route[] => [
  get("/containers/json", async (call) => {
    const limit = call.query.integer("limit");
    const views = await containers.list({
      all: call.query.flag("all"),
      size: call.query.flag("size"),
      filters: readFilters(call.query, listFilters),
      ...(limit !== undefined && limit > 0 && { limit }),
    });
    const shownTo = { version: call.version, now: new Date() };
    return ok(views.map((view) => summarize(view, shownTo)));
  }),
  post("/containers/create", async (call) => {
    const request = await call.json(createContainerRequest);
    if (!request) throw invalid("config cannot be empty in order to create a container");
    const parameters = {
      name: call.query.text("name"),
      platform: call.query.text("platform"),
      version: call.version,
    };
    const { id, warnings } = await containers.create(readContainerSpec(request, parameters));
    return created({ Id: id, Warnings: warnings } satisfies CreateContainerResponse);
  }),
  get("/containers/:id/json", async (call) => {
    const view = await containers.inspect(call.parameter("id"), { size: call.query.flag("size") });
    return ok(inspectWire(view, call.version));
  }),
  get("/containers/:id/top", async (call) => {
    const table = await containers.top(call.parameter("id"), call.query.text("ps_args") ?? "-ef");
    return ok({ Titles: table.titles, Processes: table.processes } satisfies TopResponse);
  }),
  post("/containers/:id/update", async (call) => {
    const request = (await call.json(updateContainerRequest)) ?? {};
    const { warnings } = await containers.update(call.parameter("id"), {
      resources: readResources(request),
      ...(request.RestartPolicy?.Name && { restartPolicy: readRestartPolicy(request.RestartPolicy) }),
      given: request,
    });
    return ok({ Warnings: warnings } satisfies UpdateContainerResponse);
  }),
  post("/containers/prune", async (call) => {
    const { deleted, reclaimedBytes } = await containers.prune(readPruneFilters(call.query, {}, new Date()));
    return ok({
      ContainersDeleted: deleted,
      SpaceReclaimed: reclaimedBytes,
    } satisfies ContainersPruneResponse);
  }),
];

const containerActions = ({ containers }: Engine): readonly Route[] => [
  post("/containers/:id/start", async (call) => {
    await containers.start(call.parameter("id"));
    return noContent;
  }),
  post("/containers/:id/stop", async (call) => {
    await containers.stop(call.parameter("id"), stopOptions(call));
    return noContent;
  }),
  post("/containers/:id/restart", async (call) => {
    await containers.restart(call.parameter("id"), stopOptions(call));
    return noContent;
  }),
  post("/containers/:id/kill", async (call) => {
    await containers.kill(call.parameter("id"), call.query.text("signal") ?? "SIGKILL");
    return noContent;
  }),
  post("/containers/:id/pause", async (call) => {
    await containers.pause(call.parameter("id"));
    return noContent;
  }),
  post("/containers/:id/unpause", async (call) => {
    await containers.unpause(call.parameter("id"));
    return noContent;
  }),
  post("/containers/:id/rename", async (call) => {
    const name = call.query.text("name");
    if (name === undefined) throw invalid("Neither old nor new names may be empty");
    await containers.rename(call.parameter("id"), name.replace(/^\//, ""));
    return noContent;
  }),
  post("/containers/:id/resize", async (call) => {
    await containers.resize(call.parameter("id"), terminalSize(call));
    return done;
  }),
  remove("/containers/*", async (call) => {
    await containers.remove(call.parameter("*"), {
      force: call.query.flag("force"),
      volumes: call.query.flag("v"),
      link: call.query.flag("link"),
    });
    return noContent;
  }),
];

const listFilters: KnownFilters = {
  ancestor: anyValue,
  before: anyValue,
  exited: integerValue,
  expose: portValue,
  health: oneOf("starting", "healthy", "unhealthy", "none"),
  id: anyValue,
  isolation: anyValue,
  "is-task": booleanValue,
  label: anyValue,
  name: anyValue,
  network: anyValue,
  publish: portValue,
  since: anyValue,
  status: oneOf("created", "restarting", "running", "removing", "paused", "exited", "dead"),
  volume: anyValue,
};

function stopOptions(call: Call): StopOptions {
  return defined({ signal: call.query.text("signal"), timeoutSeconds: call.query.integer("t") });
}

/** Throws invalid unless both sides are there. */
export function terminalSize(call: Call): TerminalSize {
  const [height, width] = [call.query.integer("h"), call.query.integer("w")];
  if (height === undefined || width === undefined)
    throw invalid("invalid terminal size: both h and w are needed");
  if (Math.min(height, width) < 0 || Math.max(height, width) > 65_535)
    throw invalid(`invalid terminal size: ${height}x${width}`);
  return { width, height };
}
