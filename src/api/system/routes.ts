// The daemon: ping, version, info, events, disk usage, login.

import type { DiskUsageType, Engine, VersionFacts } from "../../engine/types.ts";
import { invalid } from "../../util/errors.ts";
import { summarize } from "../containers/summary.ts";
import { registryAuth } from "../images/auth.ts";
import { type Answer, get, head, ok, post, type Route } from "../route.ts";
import {
  type AuthResponse,
  authConfig,
  type DiskUsageResponse,
  type ImageSummary,
  type VersionResponse,
} from "../schemas/index.ts";
import { formatVersion, maxVersion, minVersion } from "../version.ts";
import { volumeWire } from "../volumes/view.ts";
import { eventsRoute } from "./events.ts";
import { infoWire } from "./info.ts";

// Builder-Version 1: the CLI builds with POST /build; 2 would make it look for BuildKit behind /grpc
const pingHeaders = {
  "Builder-Version": "1",
  Swarm: "inactive",
  "Cache-Control": "no-cache, no-store, must-revalidate",
  Pragma: "no-cache",
  "Content-Type": "text/plain; charset=utf-8",
};

export const systemRoutes = (engine: Engine): readonly Route[] => [
  get("/_ping", () => ({ status: 200, text: "OK", headers: pingHeaders })),
  head("/_ping", () => ({ status: 200, headers: { ...pingHeaders, "Content-Length": "0" } })),
  get("/version", async () => ok(versionWire(await engine.system.version()))),
  get("/info", async () => ok(infoWire(await engine.system.info(), new Date()))),
  eventsRoute(engine),
  get("/system/df", async (call) => ok(await diskUsage(engine, call.query.all("type")))),
  post("/auth", async (call): Promise<Answer> => {
    const { status, identityToken } = await engine.images.authenticate(
      registryAuth((await call.json(authConfig)) ?? {}),
    );
    return ok({ Status: status, IdentityToken: identityToken } satisfies AuthResponse);
  }),
];

function versionWire(facts: VersionFacts): VersionResponse {
  const details = {
    ApiVersion: formatVersion(maxVersion),
    Arch: facts.architecture,
    BuildTime: facts.buildTime,
    Experimental: "false",
    GitCommit: facts.gitCommit,
    GoVersion: "",
    KernelVersion: facts.kernelVersion,
    MinAPIVersion: formatVersion(minVersion),
    Os: "linux",
  };
  const others = facts.components.map((it) => ({ Name: it.name, Version: it.version, Details: it.details }));
  return {
    Platform: { Name: `tsdocker ${facts.version}` },
    Version: facts.version,
    ApiVersion: details.ApiVersion,
    MinAPIVersion: details.MinAPIVersion,
    Os: "linux",
    Arch: facts.architecture,
    KernelVersion: facts.kernelVersion,
    GitCommit: facts.gitCommit,
    GoVersion: "",
    BuildTime: facts.buildTime,
    Components: [{ Name: "Engine", Version: facts.version, Details: details }, ...others],
  };
}

const usageTypes = new Set<string>(["container", "image", "volume", "build-cache"] satisfies DiskUsageType[]);

function isUsageType(text: string): text is DiskUsageType {
  return usageTypes.has(text);
}

async function diskUsage(engine: Engine, asked: readonly string[]): Promise<DiskUsageResponse> {
  const unknown = asked.find((type) => !isUsageType(type));
  if (unknown !== undefined) throw invalid(`unknown object type: ${unknown}`);
  const types = new Set(asked.length > 0 ? asked.filter(isUsageType) : [...usageTypes].filter(isUsageType));
  const usage = await engine.system.diskUsage(types);
  const now = new Date();
  return {
    LayersSize: usage.layersBytes,
    Images: (usage.images as readonly ImageSummary[] | undefined) ?? null,
    Containers: usage.containers?.map((view) => summarize(view, { version: maxVersion, now })) ?? null,
    Volumes: usage.volumes?.map(volumeWire) ?? null,
    BuildCache: types.has("build-cache") ? [] : null,
  };
}
