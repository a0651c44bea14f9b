import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openFailpoints } from "../../../src/daemon/failpoints.ts";

class Part {
  #done: string[] = [];

  get done(): readonly string[] {
    return this.#done;
  }

  async act(what: string): Promise<void> {
    this.#done.push(what);
  }

  async look(): Promise<number> {
    return this.#done.length;
  }
}

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "failpoints-"));
  path = join(folder, "order");
});

afterEach(() => rm(folder, { recursive: true }));

const order = (run: string, hit: number) => writeFile(path, JSON.stringify({ run, hit, by: "error" }));

test("without a control file's path the part itself comes back", () => {
  const part = new Part();
  expect(openFailpoints(undefined).guard("part", part, ["act"])).toBe(part);
});

test("without an order every call goes through and nothing is noted", async () => {
  const part = new Part();
  await openFailpoints(path).guard("part", part, ["act"]).act("a");
  expect(part.done).toEqual(["a"]);
  await expect(readFile(`${path}.passed`)).rejects.toThrow("ENOENT");
});

test("the ordered call fails without effect, by name, and those around it succeed", async () => {
  const part = new Part();
  const guarded = openFailpoints(path).guard("part", part, ["act"]);
  await order("1", 2);
  await guarded.act("a");
  await expect(guarded.act("b")).rejects.toThrow("failpoint 2: part.act");
  await guarded.act("c");
  expect(await guarded.look()).toBe(2);
  expect(guarded.done).toEqual(["a", "c"]);
  expect(await readFile(`${path}.passed`, "utf8")).toBe("part.act\npart.act\npart.act\n");
});

test("another run counts from one again, over all parts together", async () => {
  const failpoints = openFailpoints(path);
  const one = failpoints.guard("one", new Part(), ["act"]);
  const two = failpoints.guard("two", new Part(), ["act"]);
  await order("1", 0);
  await one.act("a");
  await order("2", 2);
  await one.act("b");
  await expect(two.act("c")).rejects.toThrow("failpoint 2: two.act");
});
