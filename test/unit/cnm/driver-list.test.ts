import { describe, expect, it } from "vitest";
import { DriverList } from "../../../src/cnm/driver-list.ts";
import { unavailable } from "../../../src/util/errors.ts";

const bridge = { name: "bridge" };
const weave = { name: "weave" };

const nowhere = {
  find: async () => undefined,
  recall: () => undefined,
  isAway: () => false,
  follow: () => () => undefined,
};

describe("drivers by name", () => {
  it("are those that were given, where there are no others", async () => {
    const list = new DriverList([bridge]);
    expect([list.get("bridge"), await list.find("bridge"), list.recall("bridge")]).toEqual([
      bridge,
      bridge,
      bridge,
    ]);
    expect([list.get("weave"), await list.find("weave"), list.recall("weave")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("are found when somebody names them, and known from then on", async () => {
    const asked: string[] = [];
    const find = async (name: string) => {
      asked.push(name);
      return name === "weave" ? weave : undefined;
    };
    const list = new DriverList([bridge], { ...nowhere, find });
    expect(list.get("weave")).toBeUndefined();
    expect(await list.find("weave")).toBe(weave);
    expect(await list.find("weave")).toBe(weave);
    expect(await list.find("bridge")).toBe(bridge);
    expect(await list.find("other")).toBeUndefined();
    expect(asked).toEqual(["weave", "other"]);
    expect(await list.names()).toEqual(["bridge", "weave"]);
    expect(list.all()).toEqual([bridge, weave]);
  });

  it("are listed with those that say where they are and that nobody has named", async () => {
    const list = new DriverList([bridge, weave], { ...nowhere, names: async () => ["weave", "calico"] });
    expect(await list.names()).toEqual(["bridge", "weave", "calico"]);
  });

  it("are recalled for what is on record, without a look whether they are there", () => {
    const find = async () => {
      throw unavailable("not there");
    };
    const list = new DriverList([bridge], {
      ...nowhere,
      find,
      recall: (name) => (name === "weave" ? weave : undefined),
    });
    expect(list.recall("weave")).toBe(weave);
    expect(list.recall("other")).toBeUndefined();
    expect(list.get("weave")).toBe(weave);
  });

  it("that cannot be asked say so", async () => {
    const find = async () => {
      throw unavailable("not there");
    };
    const list = new DriverList([bridge], { ...nowhere, find });
    await expect(list.find("weave")).rejects.toThrow("not there");
  });

  it("tell whether they are away, and when some may have come", () => {
    const listeners: (() => void)[] = [];
    const list = new DriverList([bridge], {
      ...nowhere,
      isAway: (name) => name === "weave",
      follow: (listener) => {
        listeners.push(listener);
        return () => listeners.pop();
      },
    });
    let told = 0;
    const stop = list.follow(() => told++);
    for (const listener of listeners) listener();
    expect([told, list.isAway("weave"), list.isAway("bridge")]).toEqual([1, true, false]);
    stop();
    expect(listeners).toEqual([]);
    expect(new DriverList([bridge]).isAway("weave")).toBe(false);
  });
});
