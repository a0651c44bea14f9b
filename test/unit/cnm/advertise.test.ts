// When an endpoint's addresses are announced: not before anybody can hear it.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { advertise } from "../../../src/cnm/advertise.ts";
import type { Endpoint } from "../../../src/cnm/endpoint.ts";
import type { Netns } from "../../../src/cnm/netns.ts";
import { silentLog } from "../../../src/util/log.ts";
import { prefix } from "../../lab/cnm/specs.ts";
import { mac } from "../kernel/values.ts";

function worldWith(isRunning: () => boolean) {
  const sent: number[] = [];
  const link = async () => ({ running: isRunning() });
  const netns = { netlink: { link }, sendFrames: async (index: number) => void sent.push(index) };
  const interface_ = { address: prefix("192.0.2.9/24"), macAddress: mac("02:00:00:00:00:09") };
  const network = { record: { options: {} }, endpoints: new Map([["e", {}]]) };
  const endpoint = { id: "e", network, record: { link: { index: 7 }, interface: interface_ } };
  const announced = advertise(silentLog, endpoint as unknown as Endpoint, netns as unknown as Netns);
  return { announced, sent, network };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("the first message waits for a link that runs late", async () => {
  let isRunning = false;
  const { sent } = worldWith(() => isRunning);
  await vi.advanceTimersByTimeAsync(900);
  expect(sent).toEqual([]);
  isRunning = true;
  await vi.advanceTimersByTimeAsync(50);
  expect(sent).toEqual([7]);
});

test("a link that never runs is not waited for for ever", async () => {
  const { sent } = worldWith(() => false);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(sent).toEqual([7]);
});

test("an endpoint that leaves meanwhile is waited for no longer", async () => {
  const { announced, network } = worldWith(() => false);
  await vi.advanceTimersByTimeAsync(100);
  network.endpoints.clear();
  await vi.advanceTimersByTimeAsync(50);
  await announced;
});
