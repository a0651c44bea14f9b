// Endpoints in sandboxes: order, repetition, and every way to go.

import { type Check, must } from "../check.ts";
import { links, manyNetworks, type NetworkFacts } from "../network-needs.ts";
import type { Member, Scene } from "../scene.ts";
import { show } from "../show.ts";
import { joinAnswerChecks, joined } from "./join-answers.ts";
import { refusal } from "./refusal.ts";

async function mustHaveNoLink({ sandbox }: Pick<Member, "sandbox">): Promise<void> {
  const inside = await sandbox.links();
  must(inside.length === 0, "no link in the sandbox", () => show(inside));
}

/** What is no endpoint does not join. */
async function mustNotJoin(scene: Scene, request: Parameters<Scene["joinRequest"]>[0], what: string) {
  const sandbox = await scene.sandbox();
  await refusal(what, () => scene.driver.join(scene.joinRequest(request, sandbox)));
  await mustHaveNoLink({ sandbox });
}

/** An endpoint that ends in this way leaves the network as it was without it. */
function ending(
  facts: Pick<Check<Scene, NetworkFacts>, "id" | "rule" | "where">,
  end: (scene: Scene, member: Member) => Promise<unknown>,
): Check<Scene, NetworkFacts> {
  return {
    ...facts,
    run: (scene) =>
      scene.mustLeaveNetwork(
        async (network) => await end(scene, await scene.connected(network)),
        "the network without the endpoint",
      ),
  };
}

/** Its sandbox is gone, with all that was in it. */
async function withoutSandbox(scene: Scene, member: Member): Promise<void> {
  await member.sandbox.remove();
  scene.forget(member);
}

/** What is not urgent is done when the driver settles, at the latest. */
async function deletedInTime(
  scene: Scene,
  request: Parameters<Scene["driver"]["deleteEndpoint"]>[0],
): Promise<void> {
  const deleting = scene.driver.deleteEndpoint(request);
  await scene.driver.settle?.();
  await deleting;
}

/** An endpoint that comes twice, in between it was deleted. */
async function comesAgain(scene: Scene, inSameSandbox: boolean): Promise<void> {
  const network = await scene.madeNetwork();
  const request = scene.endpoint(network);
  const sandbox = inSameSandbox ? { sandbox: await scene.sandbox() } : {};
  for (let round = 0; round < 2; round++)
    await scene.disconnected(await scene.connected(network, { request, ...sandbox }));
}

export const joinChecks: readonly Check<Scene, NetworkFacts>[] = [
  ...joinAnswerChecks,
  {
    id: "join/user-mac",
    rule: "The link gets the MAC that the user asked for.",
    where: "EndpointInterface.macAddress",
    needs: [links],
    async run(scene) {
      const network = await scene.madeNetwork();
      const plain = scene.endpoint(network);
      const macAddress = "02:42:c6:12:00:77" as NonNullable<Member["interface"]["macAddress"]>;
      const request = {
        ...plain,
        interface: { ...plain.interface, macAddress },
        options: { ...plain.options, macAddress },
      };
      const member = await scene.connected(network, { request }).catch((error: unknown) => {
        must(/mac/i.test(String(error)), "the MAC taken, or refused by name", String(error));
        return undefined;
      });
      if (!member) return;
      const [link] = await member.sandbox.links();
      must(link?.mac === macAddress, macAddress, () => show(link?.mac));
    },
  },
  {
    id: "join/one-link",
    rule: "A sandbox gets one link for an endpoint, and none beside it.",
    where: "NetworkDriver.join",
    needs: [links],
    async run(scene) {
      const { sandbox } = await scene.connected(await scene.madeNetwork());
      const inside = await sandbox.links();
      must(inside.length === 1, "one link", () => show(inside));
    },
  },
  {
    id: "join/links-differ",
    rule: "No two endpoints have links of one name on the host.",
    where: "JoinResponse.link",
    needs: [links],
    async run(scene) {
      const network = await scene.madeNetwork();
      const names: (string | undefined)[] = [];
      for (let count = 0; count < 3; count++) {
        const request = await scene.madeEndpoint(network);
        const { link } = await scene.driver.join(scene.joinRequest(request, await scene.sandbox()));
        if (link?.indexInSandbox === undefined && !link?.isComplete) names.push(link?.srcName);
      }
      must(new Set(names).size === names.length, "different names", () => show(names));
    },
  },
  {
    id: "join/twice",
    rule: "Joining again what has joined answers the same and makes nothing more.",
    where: "NetworkDriver.join",
    async run(scene) {
      const { request, sandbox, response } = await joined(scene);
      const before = await scene.stage.remains();
      const again = await scene.driver.join(scene.joinRequest(request, sandbox));
      must(show(again) === show(response), show(response), () => show(again));
      await scene.mustBeClean("what one join needs", before);
    },
  },
  {
    id: "join/unknown-endpoint",
    rule: "An endpoint that is not there cannot join.",
    where: "NetworkDriver.join",
    needs: [links],
    async run(scene) {
      await mustNotJoin(scene, scene.endpoint(await scene.madeNetwork()), "a join of an unknown endpoint");
    },
  },
  {
    id: "join/deleted-endpoint",
    rule: "An endpoint that was deleted cannot join.",
    where: "NetworkDriver.deleteEndpoint",
    needs: [links],
    async run(scene) {
      const request = await scene.madeEndpoint(await scene.madeNetwork());
      const { networkId, endpointId } = request;
      await scene.driver.deleteEndpoint({ networkId, endpointId });
      await mustNotJoin(scene, request, "a join of a deleted endpoint");
    },
  },
  {
    id: "join/leave",
    rule: "After leave and deletion nothing of the endpoint is in the sandbox.",
    where: "NetworkDriver.leave",
    async run(scene) {
      const member = await scene.connected(await scene.madeNetwork());
      await scene.disconnected(member);
      await scene.driver.settle?.();
      await mustHaveNoLink(member);
    },
  },
  {
    id: "join/leave-twice",
    rule: "Leaving what has been left succeeds.",
    where: "NetworkDriver.leave",
    async run(scene) {
      const member = await scene.connected(await scene.madeNetwork());
      await scene.left(member);
      await scene.driver.leave(member.ref);
    },
  },
  {
    id: "join/leave-unknown",
    rule: "Leaving without ever having joined succeeds, also for endpoints that never were.",
    where: "NetworkDriver.leave",
    async run(scene) {
      const network = await scene.madeNetwork();
      const { networkId, endpointId } = await scene.madeEndpoint(network);
      await scene.driver.leave({ networkId, endpointId });
      await scene.driver.leave({ networkId, endpointId: scene.endpoint(network).endpointId });
      await scene.driver.leave({ networkId: scene.network().networkId, endpointId });
    },
  },
  {
    id: "join/again",
    rule: "An endpoint that was deleted can be made and join again, in the same sandbox.",
    where: "NetworkDriver.join",
    run: (scene) => comesAgain(scene, true),
  },
  {
    id: "join/another-sandbox",
    rule: "An endpoint that was deleted can be made and join in another sandbox.",
    where: "NetworkDriver.join",
    run: (scene) => comesAgain(scene, false),
  },
  {
    id: "join/two-networks",
    rule: "A sandbox can be on two networks.",
    where: "JoinRequest.freeIndex",
    needs: [manyNetworks, links],
    async run(scene) {
      const sandbox = await scene.sandbox();
      await scene.connected(await scene.madeNetwork(), { sandbox });
      const second = await scene.madeEndpoint(await scene.madeNetwork());
      const request = { ...scene.joinRequest(second, sandbox), freeIndex: 3, suggestedName: "eth1" };
      const { link } = await scene.driver.join(request);
      must(link !== undefined, "a link", "none");
      const inside = await sandbox.links();
      const count = link.indexInSandbox === undefined && !link.isComplete ? 1 : 2;
      must(inside.length === count, `${count} links in the sandbox`, () => show(inside));
    },
  },
  ending(
    {
      id: "join/sandbox-gone",
      rule: "An endpoint whose sandbox is gone is left and deleted like any other.",
      where: "DeleteEndpointRequest.sandboxIsGone",
    },
    async (scene, member) => {
      await withoutSandbox(scene, member);
      await scene.driver.leave(member.ref);
      await deletedInTime(scene, { ...member.ref, sandboxIsGone: true });
    },
  ),
  ending(
    {
      id: "join/link-aside",
      rule: "An endpoint whose link was put aside is deleted all the same.",
      where: "DeleteEndpointRequest.linkIsAside",
    },
    async (scene, member) => {
      await scene.left(member);
      await deletedInTime(scene, { ...member.ref, linkIsAside: true });
    },
  ),
  ending(
    {
      id: "join/delete-without-leave",
      rule: "An endpoint that is deleted without having left leaves nothing behind.",
      where: "NetworkDriver.deleteEndpoint",
    },
    async (scene, member) => {
      await withoutSandbox(scene, member);
      await scene.driver.deleteEndpoint(member.ref);
    },
  ),
];
