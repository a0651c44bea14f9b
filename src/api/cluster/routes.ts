// The cluster of this host. These routes are ours: Docker's `/swarm` answers that there is none.

import type { ClusterInvitation, ClusterOperations } from "../../engine/types.ts";
import { created, done, get, noContent, ok, post, type Route, remove } from "../route.ts";
import {
  type ClusterInvitationBody,
  clusterTokenRequest,
  type InitClusterResponse,
  initClusterRequest,
  type JoinClusterResponse,
  joinClusterRequest,
} from "../schemas/cluster.ts";
import { readFounding, readJoining, readTokenRequest } from "./read.ts";
import { clusterWire, nodeWire, tokenWire } from "./view.ts";

export const clusterRoutes = ({ cluster }: { readonly cluster: ClusterOperations }): readonly Route[] => [
  get("/cluster", async (call) => {
    const health = call.query.flag("health") ? await cluster.health() : undefined;
    return ok(clusterWire(await cluster.inspect(), health));
  }),
  post("/cluster/init", async (call) => {
    const founding = readFounding((await call.json(initClusterRequest)) ?? {});
    const { nodeId, invitation } = await cluster.init(founding);
    return ok({ NodeID: nodeId, ...invitationWire(invitation) } satisfies InitClusterResponse);
  }),
  post("/cluster/join", async (call) => {
    const joining = readJoining((await call.json(joinClusterRequest)) ?? {});
    const { nodeId, role } = await cluster.join(joining);
    return ok({ NodeID: nodeId, Role: role } satisfies JoinClusterResponse);
  }),
  post("/cluster/leave", async (call) => {
    await cluster.leave({ force: call.query.flag("force") });
    return done;
  }),
  get("/cluster/nodes", async () => ok((await cluster.inspect()).nodes.map(nodeWire))),
  remove("/cluster/nodes/:id", async (call) => {
    await cluster.removeNode(call.parameter("id"), { force: call.query.flag("force") });
    return noContent;
  }),
  get("/cluster/tokens", async () => ok((await cluster.tokens()).map(tokenWire))),
  post("/cluster/tokens", async (call) => {
    const request = readTokenRequest((await call.json(clusterTokenRequest)) ?? {});
    return created(invitationWire(await cluster.createToken(request)));
  }),
];

const invitationWire = ({ token, remote }: ClusterInvitation): ClusterInvitationBody => ({
  Token: token,
  Remote: remote,
});
