import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Lookout } from "../../../../src/cluster/join/lookout.ts";
import type { LookAnswer } from "../../../../src/cluster/join/wire.ts";
import { forbidden, unavailable } from "../../../../src/util/errors.ts";
import { silentLog } from "../../../../src/util/log.ts";

const sleep = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    setTimeout(resolve, ms);
    signal.addEventListener("abort", () => reject(new Error("aborted")));
  });

let lookout: Lookout;
let asked: number;
let isInTouch: boolean;
let said: string[];
let answer: () => LookAnswer;

beforeEach(() => {
  vi.useFakeTimers();
  [asked, isInTouch, said] = [0, false, []];
  answer = () => ({ members: [] });
  lookout = new Lookout({
    ask: async () => {
      asked++;
      return answer();
    },
    isInTouch: () => isInTouch,
    onMembers: async (members) => void said.push(`members ${members.map(({ address }) => address)}`),
    onRemoved: (message) => void said.push(message),
    log: silentLog,
    sleep,
  });
});
afterEach(async () => {
  await lookout.close();
  vi.useRealTimers();
});

test("while the store answers nobody else is asked", async () => {
  isInTouch = true;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toBe(0);
});

test("without the store the members are asked, ever more rarely", async () => {
  answer = () => {
    throw unavailable("nobody there");
  };
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toBe(5);
  await vi.advanceTimersByTimeAsync(300_000);
  expect(asked).toBe(15);
  expect(said).toEqual([]);
});

test("where the members are now is passed on, and so is that the host was removed", async () => {
  const ports = { join: 2377, client: 2379, peer: 2380 };
  answer = () => ({ members: [{ nodeId: "n", address: "192.0.2.7", ports }] });
  await vi.advanceTimersByTimeAsync(2_000);
  answer = () => {
    throw forbidden("this host was removed from the cluster");
  };
  await vi.advanceTimersByTimeAsync(4_000);
  expect(said).toEqual(["members 192.0.2.7", "this host was removed from the cluster"]);
});

test("after its end nobody is asked", async () => {
  await lookout.close();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toBe(0);
});
