// Work that several callers share, and slots that they wait for.

import { describe, expect, it } from "vitest";
import type { ProgressMessage } from "../../../src/image/progress.ts";
import { type Caller, SharedWork, Slots } from "../../../src/image/shared-work.ts";

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

function caller(): Caller & { readonly seen: ProgressMessage[]; readonly going: AbortController } {
  const seen: ProgressMessage[] = [];
  const going = new AbortController();
  return { seen, going, signal: going.signal, report: (message) => seen.push(message) };
}

/** Work that runs until it is released or aborted. */
function work() {
  const release = Promise.withResolvers<string>();
  const state = { runs: 0, isAborted: false, report: (_: ProgressMessage) => {}, release };
  const run = ({ signal, report }: Caller) => {
    state.runs++;
    state.report = report;
    signal.addEventListener("abort", () => {
      state.isAborted = true;
      release.reject(new Error("stopped"));
    });
    return release.promise;
  };
  return { state, run };
}

describe("SharedWork", () => {
  it("runs once for two callers and tells both", async () => {
    const shared = new SharedWork<string>();
    const { state, run } = work();
    const [a, b] = [caller(), caller()];
    const first = shared.run("k", a, run);
    await tick();
    state.report({ status: "half" });
    const second = shared.run("k", b, run);
    state.release.resolve("done");
    expect(await Promise.all([first, second])).toEqual(["done", "done"]);
    expect(state.runs).toBe(1);
    expect([a.seen, b.seen]).toEqual([[{ status: "half" }], [{ status: "half" }]]);
  });

  it("goes on for the one who stays", async () => {
    const shared = new SharedWork<string>();
    const { state, run } = work();
    const [a, b] = [caller(), caller()];
    const [first, second] = [shared.run("k", a, run), shared.run("k", b, run)];
    await tick();
    a.going.abort();
    await expect(first).rejects.toMatchObject({ kind: "cancelled" });
    expect(state.isAborted).toBe(false);
    state.release.resolve("done");
    expect(await second).toBe("done");
  });

  it("stops when all have gone, and starts anew for the next", async () => {
    const shared = new SharedWork<string>();
    const { state, run } = work();
    const a = caller();
    const first = shared.run("k", a, run);
    await tick();
    a.going.abort();
    await expect(first).rejects.toMatchObject({ kind: "cancelled" });
    expect(state.isAborted).toBe(true);
    expect(await shared.run("k", caller(), async () => "again")).toBe("again");
  });

  it("passes a failure on to all and forgets it", async () => {
    const shared = new SharedWork<string>();
    const { state, run } = work();
    const both = [shared.run("k", caller(), run), shared.run("k", caller(), run)];
    await tick();
    state.release.reject(new Error("broken"));
    for (const one of await Promise.allSettled(both)) expect(one.status).toBe("rejected");
    expect(await shared.run("k", caller(), async () => "fine")).toBe("fine");
  });

  it("does not begin for a caller who has gone already", async () => {
    const a = caller();
    a.going.abort();
    const { state, run } = work();
    await expect(new SharedWork<string>().run("k", a, run)).rejects.toMatchObject({ kind: "cancelled" });
    expect(state.runs).toBe(0);
  });
});

describe("Slots", () => {
  it("lets so many run at a time, in order", async () => {
    const slots = new Slots(2);
    const order: number[] = [];
    const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
    const running = gates.map((gate, at) =>
      slots.run(caller().signal, async () => {
        order.push(at);
        await gate.promise;
      }),
    );
    await tick();
    expect(order).toEqual([0, 1]);
    gates[1]?.resolve();
    await tick();
    expect(order).toEqual([0, 1, 2]);
    for (const gate of gates) gate.resolve();
    await Promise.all(running);
  });

  it("frees the place of who fails, and skips who went away", async () => {
    const slots = new Slots(1);
    const gate = Promise.withResolvers<void>();
    const first = slots.run(caller().signal, () => gate.promise);
    const gone = caller();
    const second = slots.run(gone.signal, async () => "second");
    const third = slots.run(caller().signal, async () => "third");
    gone.going.abort();
    await expect(second).rejects.toMatchObject({ kind: "cancelled" });
    gate.reject(new Error("broken"));
    await expect(first).rejects.toThrow("broken");
    expect(await third).toBe("third");
  });
});
