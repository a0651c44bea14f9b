// Links deleted in the background: order, batches, waiting for them.

import { afterEach, describe, expect, it, vi } from "vitest";
import { LinkRemoval } from "../../../drivers/bridge/link-removal.ts";
import * as kernel from "../../../src/kernel/index.ts";

/** A kernel that notes messages and answers when it is told to. */
function fakeHost() {
  const messages: string[][] = [];
  const answers: PromiseWithResolvers<void>[] = [];
  const sendAside = (...requests: readonly kernel.Request[]) => {
    messages.push(requests.map(({ words }) => words));
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    return answer.promise;
  };
  const host = { netlink: { sendAside }, link: kernel } as unknown as ConstructorParameters<
    typeof LinkRemoval
  >[0];
  const answered = async (at: number) => {
    await expect.poll(() => messages.length).toBeGreaterThan(at);
    answers[at]?.resolve();
  };
  return { host, messages, answers, answered };
}

const deletions = (messages: readonly (readonly string[])[]) =>
  messages.map((words) => words.filter((text) => !text.includes("delete")).length || 1);

afterEach(() => {
  vi.useRealTimers();
});

describe("link removal", () => {
  it("deletes a link that somebody waits for at once", async () => {
    const { host, messages, answered } = fakeHost();
    const removed = new LinkRemoval(host).remove("br1");
    await answered(0);
    await removed;
    expect(messages).toEqual([["ip link delete br1"]]);
  });

  it("gathers what nobody waits for, and takes a few at a time", async () => {
    const { host, messages, answered } = fakeHost();
    const removal = new LinkRemoval(host);
    const all = ["a", "b", "c", "d", "e"].map((name) => removal.remove(name, { lazy: true }));
    await answered(0);
    await answered(1);
    await Promise.all(all);
    expect(deletions(messages)).toEqual([4, 1]);
  });

  it("leaves what nobody waits for until nobody makes links", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const { host, messages } = fakeHost();
    const removal = new LinkRemoval(host);
    void removal.remove("a", { lazy: true });
    for (let at = 0; at < 30; at++) {
      await vi.advanceTimersByTimeAsync(50);
      removal.disturb();
    }
    expect(messages).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(110);
    expect(messages).toHaveLength(1);
  });

  it("does not put them off for ever, and lets others at the lock in between", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const { host, messages, answers } = fakeHost();
    const removal = new LinkRemoval(host);
    for (const name of ["a", "b", "c", "d", "e"]) void removal.remove(name, { lazy: true });
    const restless = async (ms: number) => {
      for (let at = 0; at < ms; at += 10) {
        removal.disturb();
        await vi.advanceTimersByTimeAsync(10);
      }
    };
    await restless(1_900);
    expect(messages).toHaveLength(0);
    await restless(150);
    expect(messages).toHaveLength(1);
    answers[0]?.resolve();
    await restless(90);
    expect(messages).toHaveLength(1);
    await restless(30);
    expect(deletions(messages)).toEqual([4, 1]);
  });

  it("deletes at once where very many wait", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const { host, messages } = fakeHost();
    const removal = new LinkRemoval(host);
    for (let at = 0; at < 300; at++) {
      removal.disturb();
      void removal.remove(`v${at}`, { lazy: true });
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(messages.length).toBeGreaterThan(0);
  });

  it("takes a bridge alone, unless somebody waits", async () => {
    const { host, messages, answered } = fakeHost();
    const removal = new LinkRemoval(host);
    const bridge = { lazy: true, isBridge: true };
    const all = [
      removal.remove("br1", bridge),
      removal.remove("v1", { lazy: true }),
      removal.remove("br2", bridge),
      removal.remove("v2", { lazy: true }),
    ];
    for (const at of [0, 1, 2]) await answered(at);
    await Promise.all(all);
    expect(messages[0]).toEqual(["ip link delete br1"]);
    expect(deletions(messages)).toEqual([1, 2, 1]);
    const awaited = [removal.remove("br3", bridge), removal.remove("br4", bridge)];
    const settled = removal.settle();
    await answered(3);
    await Promise.all([...awaited, settled]);
    expect(deletions(messages.slice(3))).toEqual([2]);
  });

  it("lets what is waited for overtake", async () => {
    const { host, messages, answered } = fakeHost();
    const removal = new LinkRemoval(host);
    const lazy = ["a", "b", "c", "d", "e", "f"].map((name) => removal.remove(name, { lazy: true }));
    const freed = removal.freed("f");
    await answered(0);
    await freed;
    await answered(1);
    await answered(2);
    await Promise.all(lazy);
    expect(messages[0]).toEqual(["ip link delete f"]);
    expect(deletions(messages)).toEqual([1, 4, 1]);
  });

  it("waits for the one deletion of a name that is asked for twice", async () => {
    const { host, messages, answered } = fakeHost();
    const removal = new LinkRemoval(host);
    const both = [removal.remove("br1", { lazy: true }), removal.remove("br1")];
    await answered(0);
    await Promise.all(both);
    expect(messages).toHaveLength(1);
  });

  it("settles when everything is gone", async () => {
    const { host, answered } = fakeHost();
    const removal = new LinkRemoval(host);
    const lazy = removal.remove("br1", { lazy: true });
    const settled = removal.settle();
    await answered(0);
    await settled;
    await expect(lazy).resolves.toBeUndefined();
  });

  it("tells those who wait when the kernel refuses, and goes on with the rest", async () => {
    const { host, answers, messages, answered } = fakeHost();
    const removal = new LinkRemoval(host);
    const refused = removal.remove("br1");
    answers[0]?.reject(new Error("no"));
    await expect(refused).rejects.toThrow("no");
    const removed = removal.remove("br2");
    await answered(1);
    await removed;
    expect(messages).toHaveLength(2);
  });

  it("tries what the kernel refused again, along with the next", async () => {
    const { host, answers, messages, answered } = fakeHost();
    const removal = new LinkRemoval(host);
    const refused = removal.remove("br1");
    answers[0]?.reject(new Error("no"));
    await expect(refused).rejects.toThrow("no");
    const removed = removal.remove("br2", { lazy: true });
    await answered(1);
    await removed;
    expect(messages[1]).toEqual([
      "ip link set br1 group 29796",
      "ip link set br2 group 29796",
      "ip link delete group 29796",
    ]);
  });

  it("leaves what is not gone in time, and says how many links that are", async () => {
    const { host, messages, answered } = fakeHost();
    const removal = new LinkRemoval(host);
    const names = Array.from({ length: 40 }, (_, at) => `br${at}`);
    const all = names.map((name) => removal.remove(name, { lazy: true }));
    const settled = removal.settle({ withinMs: 0 });
    await expect.poll(() => messages).toHaveLength(1);
    await Promise.all(all.slice(8));
    await answered(0);
    expect(await settled).toBe(32);
    expect(messages).toHaveLength(1);
  });

  it("leaves the kernel's lock to others in between when everything goes", async () => {
    const { host, messages, answered } = fakeHost();
    const removal = new LinkRemoval(host);
    const names = Array.from({ length: 20 }, (_, at) => `br${at}`);
    const all = names.map((name) => removal.remove(name, { lazy: true }));
    expect(removal.size).toBe(20);
    const settled = removal.settle({ withinMs: 60_000 });
    for (const at of [0, 1, 2]) await answered(at);
    await Promise.all(all);
    expect(await settled).toBe(0);
    expect(deletions(messages)).toEqual([8, 8, 4]);
  });

  it("is content with a link that is gone already (ENODEV)", async () => {
    const { host, answers } = fakeHost();
    const removed = new LinkRemoval(host).remove("br1");
    answers[0]?.reject(new kernel.KernelError("delete br1", 19));
    await expect(removed).resolves.toBeUndefined();
  });
});
