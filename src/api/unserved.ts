// What Docker has and we have not: each says so with the status and words that Docker's clients understand.

import { conflict, notImplemented, unavailable } from "../util/errors.ts";
import { get, head, type Method, ok, post, put, type Route } from "./route.ts";

const notManager =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

/** The swarm family on a node that is in no swarm: unavailable, as Docker answers. */
const swarmPaths: readonly (readonly [string, ...Method[]])[] = [
  ["/swarm", "GET"],
  ["/swarm/update", "POST"],
  ["/swarm/unlockkey", "GET"],
  ["/nodes", "GET"],
  ["/nodes/:id", "GET", "DELETE"],
  ["/nodes/:id/update", "POST"],
  ["/services", "GET"],
  ["/services/create", "POST"],
  ["/services/:id", "GET", "DELETE"],
  ["/services/:id/update", "POST"],
  ["/services/:id/logs", "GET"],
  ["/tasks", "GET"],
  ["/tasks/:id", "GET"],
  ["/tasks/:id/logs", "GET"],
  ["/secrets", "GET"],
  ["/secrets/create", "POST"],
  ["/secrets/:id", "GET", "DELETE"],
  ["/secrets/:id/update", "POST"],
  ["/configs", "GET"],
  ["/configs/create", "POST"],
  ["/configs/:id", "GET", "DELETE"],
  ["/configs/:id/update", "POST"],
];

const swarmRoutes: readonly Route[] = swarmPaths.flatMap(([path, ...methods]) =>
  methods.map((method) => refuse(method, path, () => unavailable(notManager))),
);

const noSwarm =
  'swarm mode is not implemented: hosts form a cluster without it ("tsdocker cluster init", "tsdocker cluster join")';

const swarmMembership: readonly Route[] = [
  refuse("POST", "/swarm/init", () => notImplemented(noSwarm)),
  refuse("POST", "/swarm/join", () => notImplemented(noSwarm)),
  refuse("POST", "/swarm/leave", () => unavailable("This node is not part of a swarm")),
  refuse("POST", "/swarm/unlock", () => conflict("swarm is not locked")),
];

const buildText =
  "building images is not implemented: build with another tool and load the archive with `load`";

const notImplementedRoutes: readonly Route[] = [
  post("/build", () => fail(notImplemented(buildText))),
  post("/build/prune", () => ok({ CachesDeleted: [], SpaceReclaimed: 0 })),
  post("/build/cancel", () => fail(notImplemented(buildText))),
  post("/commit", () => fail(notImplemented("commit is not implemented"))),
  get("/images/search", () => fail(notImplemented("searching registries is not implemented"))),
  get("/containers/:id/changes", () => fail(notImplemented("listing changed files is not implemented"))),
  get("/containers/:id/export", () => fail(notImplemented("exporting a container is not implemented"))),
  get("/containers/:id/archive", () => fail(notImplemented("copying files is not implemented"))),
  head("/containers/:id/archive", () => fail(notImplemented("copying files is not implemented"))),
  put("/containers/:id/archive", () => fail(notImplemented("copying files is not implemented"))),
  get("/containers/:id/attach/ws", () =>
    fail(notImplemented("attaching over a websocket is not implemented: use POST attach")),
  ),
  get("/containers/:id/checkpoints", () => fail(notImplemented("checkpoints are not implemented"))),
  post("/containers/:id/checkpoints", () => fail(notImplemented("checkpoints are not implemented"))),
];

export const unservedRoutes: readonly Route[] = [...swarmRoutes, ...swarmMembership, ...notImplementedRoutes];

function refuse(method: Method, path: string, error: () => Error): Route {
  return { method, path, handle: () => fail(error()) };
}

function fail(error: Error): never {
  throw error;
}
