// Networks.

import type { Engine } from "../../engine/types.ts";
import { invalid } from "../../util/errors.ts";
import {
  anyValue,
  booleanValue,
  type KnownFilters,
  oneOf,
  readFilters,
  readPruneFilters,
} from "../filters.ts";
import { created, done, get, noContent, ok, post, type Route, remove } from "../route.ts";
import {
  type CreateNetworkResponse,
  connectRequest,
  createNetworkRequest,
  disconnectRequest,
  type NetworksPruneResponse,
} from "../schemas/index.ts";
import { defined } from "../text.ts";
import { isBefore } from "../version.ts";
import { readEndpoint } from "./endpoint.ts";
import { readNetworkSpec } from "./spec.ts";
import { networkInspect, networkSummary } from "./view.ts";

export const networkRoutes = ({ networks }: Engine): readonly Route[] => [
  // Docker lists under both
  ...["/networks", "/networks/"].map((path) =>
    get(path, async (call) => {
      const views = await networks.list(readFilters(call.query, listFilters));
      const show = isBefore(call.version, 28) ? networkInspect : networkSummary;
      return ok(views.map((view) => show(view)));
    }),
  ),
  get("/networks/:id", async (call) => {
    const isVerbose = call.query.strictFlag("verbose");
    const options = { isVerbose, ...defined({ scope: call.query.text("scope") }) };
    return ok(networkInspect(await networks.inspect(call.parameter("id"), options)));
  }),
  post("/networks/create", async (call) => {
    const request = (await call.json(createNetworkRequest)) ?? {};
    const { id, warning } = await networks.create(readNetworkSpec(request));
    return created({ Id: id, Warning: warning } satisfies CreateNetworkResponse);
  }),
  post("/networks/:id/connect", async (call) => {
    const { Container = "", EndpointConfig = {} } = (await call.json(connectRequest)) ?? {};
    const network = call.parameter("id");
    if (Container === "") throw invalid("invalid container: name or ID must not be empty");
    await networks.connect(network, Container, readEndpoint(network, EndpointConfig));
    return done;
  }),
  post("/networks/:id/disconnect", async (call) => {
    const { Container = "", Force = false } = (await call.json(disconnectRequest)) ?? {};
    if (Container === "") throw invalid("invalid container: name or ID must not be empty");
    await networks.disconnect(call.parameter("id"), Container, { force: Force });
    return done;
  }),
  remove("/networks/:id", async (call) => {
    await networks.remove(call.parameter("id"));
    return noContent;
  }),
  post("/networks/prune", async (call) => {
    const deleted = await networks.prune(readPruneFilters(call.query, {}, new Date()));
    return ok({ NetworksDeleted: deleted } satisfies NetworksPruneResponse);
  }),
];

const listFilters: KnownFilters = {
  dangling: booleanValue,
  driver: anyValue,
  id: anyValue,
  label: anyValue,
  name: anyValue,
  scope: oneOf("local", "swarm", "global"),
  type: oneOf("builtin", "custom"),
};
