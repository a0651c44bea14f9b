// A daemon with more networks than the kernel deletes in the blink of an eye.

import { expect, test } from "vitest";
import { useSite } from "./site.ts";

const site = useSite({ images: [] });
const count = 200;

test("a stop deletes every bridge, however many there are, and a start makes them again", async () => {
  const { daemon, host } = site();
  // what a first try left
  await daemon.removeAll();
  const create = (at: number) => daemon.ask("POST", "/networks/create", { Name: `n${at}` });
  await Promise.all(Array.from({ length: count }, (_, at) => create(at)));
  const bridges = async () => (await host.netlink.links({ kind: "bridge" })).length;
  expect(await bridges()).toBe(count + 1);
  await daemon.stop();
  expect(await bridges()).toBe(0);
  await daemon.start();
  expect(await bridges()).toBe(count + 1);
  expect(await daemon.log()).not.toContain("left to the next start");
});
