import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { defaultPorts, IdentityFile } from "../../../../src/cluster/join/identity.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "identity-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));
const open = (name = "cluster") => new IdentityFile(join(root, name));

test("a host's id is made at its first start and stays", async () => {
  const { nodeId } = await open().read();
  expect(nodeId).toMatch(/^[0-9a-f]{32}$/);
  expect(await open().read()).toEqual({ nodeId });
});

test("two hosts of one name on one machine are two", async () => {
  expect((await open("a").read()).nodeId).not.toBe((await open("b").read()).nodeId);
});

test("the cluster a host belongs to is remembered, and forgotten with its id kept", async () => {
  const { nodeId } = await open().read();
  const cluster = {
    id: "c",
    role: "node",
    wish: "auto",
    address: "192.0.2.1",
    ports: defaultPorts,
    members: [],
  } as const;
  await open().write({ nodeId, cluster });
  expect(await open().read()).toEqual({ nodeId, cluster });
  await open().write({ nodeId });
  expect(await open().read()).toEqual({ nodeId });
  expect(await readdir(join(root, "cluster"))).toEqual(["identity.json"]);
  expect((await stat(join(root, "cluster/identity.json"))).mode & 0o777).toBe(0o600);
});

test.each(["", "{}", "nonsense", '{"nodeId":"short"}', "null"])(
  "a damaged file is an error, not another id: %j",
  async (text) => {
    await open().read();
    await writeFile(join(root, "cluster/identity.json"), text);
    await expect(open().read()).rejects.toThrow(/identity\.json: /);
  },
);
