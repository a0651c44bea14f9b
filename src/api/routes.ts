// Every route of the API, in the order of Docker's reference.

import type { Engine } from "../engine/types.ts";
import { clusterRoutes } from "./cluster/routes.ts";
import { containerRoutes } from "./containers/routes.ts";
import { containerStreamRoutes } from "./containers/streams.ts";
import { execRoutes } from "./execs/routes.ts";
import { imageRoutes } from "./images/routes.ts";
import { networkRoutes } from "./networks/routes.ts";
import { serviceRoutes } from "./networks/service-routes.ts";
import { pluginRoutes } from "./plugins/routes.ts";
import type { Route } from "./route.ts";
import { systemRoutes } from "./system/routes.ts";
import { unservedRoutes } from "./unserved.ts";
import { volumeRoutes } from "./volumes/routes.ts";

export function allRoutes(engine: Engine): readonly Route[] {
  return [
    ...systemRoutes(engine),
    ...containerRoutes(engine),
    ...containerStreamRoutes(engine),
    ...execRoutes(engine),
    ...imageRoutes(engine),
    ...networkRoutes(engine),
    ...serviceRoutes(engine),
    ...volumeRoutes(engine),
    ...clusterRoutes(engine),
    ...pluginRoutes(engine),
    ...unservedRoutes,
  ];
}
