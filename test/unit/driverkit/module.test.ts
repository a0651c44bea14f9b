// Driver packages as operators name them: found, imported, refused with what is wrong.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadDriverModule } from "../../../src/driverkit/index.ts";

const folder = mkdtempSync(join(tmpdir(), "driver-module-"));
const good = "export const contract = 1; export default () => ({});\n";

function put(path: string, text: string): string {
  const full = join(folder, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}

const load = (spec: string) => loadDriverModule(spec, { from: folder, withinMs: 200 });
const refusal = (spec: string) =>
  load(spec).then(
    () => "",
    ({ message }: Error) => message,
  );

beforeAll(() => {
  put("one-file.js", good.replace("export const contract = 1; ", "export const contract = 1;\n"));
  put("package.json", '{"type": "module"}');
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a driver package is found", () => {
  test("as a file, whose path may begin where the daemon was started", async () => {
    const module = await load("./one-file.js");
    expect(module.path).toBe(join(folder, "one-file.js"));
    expect(module.default).toBeTypeOf("function");
    expect((await load(join(folder, "one-file.js"))).path).toBe(module.path);
  });

  test.each([
    ["exports", '{"type": "module", "exports": "./lib/a.js"}', "lib/a.js"],
    [
      "conditions of exports",
      '{"type": "module", "exports": {".": {"types": "./a.d.ts", "import": {"default": "./b.js"}}, "./x": "./x.js"}}',
      "b.js",
    ],
    ["main", '{"type": "module", "main": "c.js"}', "c.js"],
    ["nothing, by its index", '{"type": "module"}', "index.js"],
  ])("as a folder whose package.json says %s", async (what, description, entry) => {
    const name = `folder-${what.replace(/\W+/g, "-")}`;
    put(`${name}/package.json`, description);
    put(`${name}/${entry}`, good);
    expect((await load(`./${name}`)).path).toBe(join(folder, name, entry));
  });

  test("as a package in node_modules of the folder or one above", async () => {
    put("node_modules/@acme/wire/package.json", '{"type": "module", "exports": "./index.js"}');
    const entry = put("node_modules/@acme/wire/index.js", good);
    expect((await loadDriverModule("@acme/wire", { from: join(folder, "deep/down") })).path).toBe(entry);
  });

  test("in TypeScript, also where a package under development is linked into node_modules", async () => {
    const entry = put(
      "typed/index.ts",
      "export const contract: number = 1;\nexport const createIpam = () => ({});\n",
    );
    expect((await load("./typed")).createIpam).toBeTypeOf("function");
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    symlinkSync(dirname(entry), join(folder, "node_modules", "typed"));
    expect((await load("typed")).path).toBe(entry);
  });

  test("in CommonJS", async () => {
    put("old.cjs", "exports.contract = 1; exports.createIpam = () => ({});\n");
    put("older.cjs", "module.exports = { contract: 1, default: function () { return {}; } };\n");
    expect((await load("./old.cjs")).createIpam).toBeTypeOf("function");
    expect((await load("./older.cjs")).default).toBeTypeOf("function");
  });
});

describe("what cannot be loaded is refused", () => {
  test.each([
    ["./nowhere", "nowhere: no such file or folder"],
    ["nobody", "there is no package nobody in "],
  ])("for %s there is nothing", async (spec, words) => {
    expect(await refusal(spec)).toContain(words);
  });

  test.each([
    [
      "silent.js",
      "export default () => ({});",
      'which contract it is written for: "export const contract = 1"',
    ],
    [
      "later.js",
      "export const contract = 7; export default () => ({});",
      "it is written for contract 7, and this tsdocker has contract 1: a later tsdocker is needed",
    ],
    [
      "odd.js",
      'export const contract = "one"; export default () => ({});',
      'contract "one", and this tsdocker',
    ],
    ["empty.js", "export const contract = 1;", "it exports no driver"],
    [
      "object.js",
      "export const contract = 1; export default {};",
      "its default export is of type object, and a function is needed that makes the driver",
    ],
    [
      "null.js",
      "export const contract = 1; export const createIpam = null;",
      "createIpam is null, and a function",
    ],
    ["throwing.js", 'throw new Error("no such device");', "it throws when it is imported: no such device"],
    ["lost.js", 'import "left-pad-of-nobody";', 'was "npm install" run in '],
    [
      "endless.js",
      "await new Promise(() => setInterval(() => {}, 1e9).unref());",
      "did not end within 0.2 s",
    ],
  ])("%s, in words that say why", async (path, text, words) => {
    put(path, text);
    expect(await refusal(`./${path}`)).toContain(words);
  });

  // vitest itself reads TypeScript: what Node says of it is asked of Node
  test.each([
    ["enum.ts", "./enum.ts", "enum A { B }; export const contract = 1;", "Node only strips types"],
    [
      "line.ts",
      "./line.ts",
      "export const contract = 1;\nexport default (;",
      /Expression expected \(.*\/line\.ts:2\)/,
    ],
    ["deep.mjs", "./deep.mjs", "\n\nthrow new Error('so deep');", /so deep \(.*\/deep\.mjs:3\)/],
    ["wrong.mjs", "./wrong.mjs", "export default (;", /Unexpected token ';'\n$/],
    [
      "node_modules/typed-only/index.ts",
      "typed-only",
      "export const contract: number = 1;",
      "Node runs no TypeScript below node_modules. Publish JavaScript",
    ],
  ])("%s, by Node, in words that say what to do", (path, spec, text, words) => {
    put(path, text);
    const loader = join(import.meta.dirname, "../../../src/driverkit/module/index.ts");
    const script = `import { loadDriverModule } from ${JSON.stringify(loader)};
      await loadDriverModule(${JSON.stringify(spec)}).catch(({ message }) => console.log(message));`;
    const ran = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(ran.stdout).toMatch(words);
  });

  test("a package whose entry is not there", async () => {
    put("hollow/package.json", '{"main": "dist/index.js"}');
    expect(await refusal("./hollow")).toContain(
      "package.json names dist/index.js, and there is no such file (has it been built?",
    );
    put("vain/package.json", "{}");
    expect(await refusal("./vain")).toContain("names no entry");
  });
});
