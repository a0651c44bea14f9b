// A first look at a driver, before its rules: what it gives, and what it asks of its host. All of it is deleted again.

import { portWish, tcp } from "./checks/publish.ts";
import type { Trial } from "./network-needs.ts";
import type { Scene } from "./scene.ts";

/** Undefined: something failed, which the rules will tell better. */
export async function tryNetworks(scene: Scene): Promise<Trial | undefined> {
  try {
    const seen = { ...(await firstLife(scene)), steps: await steps(scene) };
    const left = await scene.difference({ ...scene.before, rules: (await scene.stage.remains()).rules });
    return { ...seen, leavesNothing: left.length === 0 };
  } catch {
    await scene.clear().catch(() => undefined);
    await scene.removeSandboxes().catch(() => undefined);
    return undefined;
  }
}

async function firstLife(scene: Scene): Promise<Omit<Trial, "steps" | "leavesNothing">> {
  const member = await scene.connected(await scene.madeNetwork());
  const { link } = member.response;
  const { macAddress } = await scene.driver.createEndpoint(member.request);
  const choosesMac = macAddress !== undefined;
  const publishedPorts = await published(scene, member);
  await scene.clear();
  return { link, choosesMac, publishedPorts };
}

/** A driver that cannot publish is one whose rules about it shall say so. */
async function published(scene: Scene, { ref }: Awaited<ReturnType<Scene["connected"]>>): Promise<number> {
  try {
    const ports = await scene.driver.programExternalConnectivity?.(portWish(ref, [tcp(80, 18077)]));
    await scene.driver.revokeExternalConnectivity?.(ref);
    return ports?.length ?? 1;
  } catch {
    return 1;
  }
}

/** A second life: what is asked once in a driver's life was asked before. */
async function steps(scene: Scene): Promise<Trial["steps"]> {
  const { weather } = scene.stage;
  if (!weather) return { network: 0, endpoint: 0 };
  weather.calm();
  const network = await scene.madeNetwork();
  const made = weather.steps;
  await scene.connected(network);
  const joined = weather.steps;
  await scene.clear();
  return { network: made, endpoint: joined - made };
}
