// Folders of new drivers: whole, with tests that pass, and never made over something else.

import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadDriverModule } from "../../../../src/driverkit/index.ts";
import { runCli } from "../fake-engine.ts";

const root = join(import.meta.dirname, "../../../..");
const folder = mkdtempSync(join(tmpdir(), "driver-new-"));
// in place of `npm install`
mkdirSync(join(folder, "node_modules"));
symlinkSync(root, join(folder, "node_modules", "tsdocker"));
afterAll(() => rmSync(folder, { recursive: true }));

const create = (name: string, ...flags: readonly string[]) =>
  runCli(["driver", "new", name, "--folder", join(folder, name), ...flags], { PATH: process.env.PATH });

test.each([
  ["wire", [], ["index.ts"]],
  ["far-wire", ["--remote"], ["driver.ts", "serve.ts"]],
  ["purse", ["--kind", "ipam"], ["index.ts"]],
  ["far-purse", ["--kind", "ipam", "--remote"], ["index.ts", "serve.ts"]],
])(
  "%s is a folder whose tests pass",
  async (name, flags, sources) => {
    const { exitCode, stdout } = await create(name, ...flags);
    expect(exitCode).toBe(0);
    const around = [".gitignore", "README.md", "driver.test.ts", "package.json", "tsconfig.json"];
    expect(readdirSync(join(folder, name))).toEqual([...around, ...sources].toSorted());
    expect(stdout).toContain("npm install");
    for (const file of readdirSync(join(folder, name)))
      expect(readFileSync(join(folder, name, file), "utf8")).not.toMatch(/__name__|smallest/);
    const described = JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8"));
    expect(described).toMatchObject({
      name,
      type: "module",
      devDependencies: { tsdocker: expect.stringMatching(/^file:\//) },
    });
    // what `npx NAME` runs
    for (const program of sources.filter((file) => file === "serve.ts"))
      expect(readFileSync(join(folder, name, program), "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
    const ran = spawnSync("sh", ["-c", described.scripts.test], {
      cwd: join(folder, name),
      encoding: "utf8",
    });
    expect(ran.stdout).toContain("fail 0");
    expect(ran.status).toBe(0);
  },
  20_000,
);

test("one that is loaded into the daemon fits the contract, in less than a hundred lines", async () => {
  await create("fits");
  expect(readFileSync(join(folder, "fits", "index.ts"), "utf8").split("\n").length).toBeLessThanOrEqual(100);
  const module = await loadDriverModule(join(folder, "fits", "index.ts"));
  expect(module.contract).toBe(1);
});

test.each([
  ["echo v20.19.2", "node here is 20.19.2, and TypeScript needs 22.18"],
  ["exit 127", "there is no node here"],
])("where node does %j it says where one is that runs TypeScript", async (script, why) => {
  const bin = mkdtempSync(join(folder, "bin-"));
  writeFileSync(join(bin, "node"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const name = `old-${script.length}`;
  const argv = ["driver", "new", name, "--folder", join(folder, name)];
  const { stdout } = await runCli(argv, { PATH: `${bin}:${process.env.PATH}` });
  expect(stdout).toContain(`export PATH=${dirname(process.execPath)}:$PATH   # ${why}`);
  const { stdout: fine } = await create(`${name}-fine`);
  expect(fine).not.toContain("export PATH");
});

test("nothing that is there is touched", async () => {
  mkdirSync(join(folder, "mine"));
  writeFileSync(join(folder, "mine", "thesis.txt"), "years of work");
  const { exitCode, stderr } = await create("mine");
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("it is there already, and not empty")]);
  expect(readdirSync(join(folder, "mine"))).toEqual(["thesis.txt"]);
});

test.each([
  ["Wire", [], "is no name for a driver"],
  ["../wire", [], "is no name for a driver"],
  ["wire2", ["--kind", "volume"], '--kind: "volume" is neither network nor ipam'],
])("%s %j is refused", async (name, flags, words) => {
  const { exitCode, stderr } = await create(name, ...flags);
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain(words);
});
