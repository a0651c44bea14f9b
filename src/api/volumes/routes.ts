// Volumes.

import type { Engine } from "../../engine/types.ts";
import { unavailable } from "../../util/errors.ts";
import { anyValue, booleanValue, type KnownFilters, readFilters, readPruneFilters } from "../filters.ts";
import { created, get, noContent, ok, post, put, type Route, remove } from "../route.ts";
import { createVolumeRequest, type VolumesPruneResponse, type VolumesResponse } from "../schemas/volume.ts";
import { defined, nonEmpty } from "../text.ts";
import { isBefore } from "../version.ts";
import { volumeWire } from "./view.ts";

const listFilters: KnownFilters = {
  dangling: booleanValue,
  driver: anyValue,
  label: anyValue,
  name: anyValue,
};

export const volumeRoutes = ({ volumes }: Engine): readonly Route[] => [
  get("/volumes", async (call) => {
    const views = await volumes.list(readFilters(call.query, listFilters));
    return ok({ Volumes: views.map(volumeWire), Warnings: null } satisfies VolumesResponse);
  }),
  post("/volumes/create", async (call) => {
    const request = (await call.json(createVolumeRequest)) ?? {};
    const view = await volumes.create({
      ...defined({ name: nonEmpty(request.Name) }),
      driver: request.Driver || "local",
      driverOptions: request.DriverOpts ?? {},
      labels: request.Labels ?? {},
    });
    return created(volumeWire(view));
  }),
  get("/volumes/:name", async (call) => ok(volumeWire(await volumes.inspect(call.parameter("name"))))),
  put("/volumes/:name", () => {
    throw unavailable("this node is not part of a swarm: only cluster volumes can be updated");
  }),
  remove("/volumes/:name", async (call) => {
    await volumes.remove(call.parameter("name"), { force: call.query.flag("force") });
    return noContent;
  }),
  post("/volumes/prune", async (call) => {
    const filters = new Map(readPruneFilters(call.query, { all: booleanValue }, new Date()));
    // before 1.42 named volumes were pruned too
    if (isBefore(call.version, 42)) filters.set("all", ["true"]);
    const { deleted, reclaimedBytes } = await volumes.prune(filters);
    return ok({ VolumesDeleted: deleted, SpaceReclaimed: reclaimedBytes } satisfies VolumesPruneResponse);
  }),
];
