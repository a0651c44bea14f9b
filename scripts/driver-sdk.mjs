// Builds dist/sdk: a package `tsdocker` for those who write drivers elsewhere, with `tsdocker/driverapi` (types) and
// `tsdocker/driverkit` (JavaScript without dependencies, and types). Install it by its path, or `npm pack` it.

import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const sdk = process.argv[2] ?? join(root, "dist", "sdk");
const entries = { driverapi: "src/driverapi/index.ts", driverkit: "src/driverkit/public.ts" };

await rm(sdk, { recursive: true, force: true });
await mkdir(sdk, { recursive: true });
for (const [name, entry] of Object.entries(entries))
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(sdk, `${name}.js`),
    bundle: true,
    platform: "node",
    target: "node22",
    format: "esm",
    logLevel: "warning",
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
  });
await emitTypes();
await writeFile(join(sdk, "package.json"), `${JSON.stringify(await describe(), undefined, 2)}\n`);
await writeFile(
  join(sdk, "README.md"),
  `# tsdocker: what drivers are written against

\`tsdocker/driverapi\` is the contract, types and what each call means. \`tsdocker/driverkit\` is the JavaScript that goes
with it: values of IP, errors with a kind, options as users write them, a server that puts a driver behind a socket.

\`tsdocker driver new NAME\` makes a driver that works, \`tsdocker driver verify\` says whether it keeps the rules.
`,
);
console.log(`driver SDK in ${sdk}`);

async function describe() {
  const { version, description, license, engines } = JSON.parse(
    await readFile(join(root, "package.json"), "utf8"),
  );
  const exported = Object.entries(entries).map(([name, entry]) => [
    `./${name}`,
    { types: `./types/${entry.replace(/\.ts$/, ".d.ts")}`, default: `./${name}.js` },
  ]);
  return {
    name: "tsdocker",
    version,
    description: `${description}: what drivers are written against`,
    license,
    engines,
    type: "module",
    exports: Object.fromEntries(exported),
  };
}

async function emitTypes() {
  const folder = await mkdtemp(join(tmpdir(), "driver-sdk-"));
  const types = join(sdk, "types");
  const project = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rewriteRelativeImportExtensions: true,
      rootDir: root,
      outDir: types,
      typeRoots: [join(root, "node_modules/@types")],
    },
    include: [],
    files: Object.values(entries).map((entry) => join(root, entry)),
  };
  const path = join(folder, "tsconfig.json");
  await writeFile(path, JSON.stringify(project));
  const tsc = join(root, "node_modules/.bin/tsc");
  const { status } = spawnSync(tsc, ["-p", path], { stdio: "inherit" });
  await rm(folder, { recursive: true });
  if (status !== 0) process.exit(status ?? 1);
  // declarations keep the names of sources: whoever reads them has none
  for (const entry of await readdir(types, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace(/((?:from|import)\s*\(?\s*"\.{1,2}\/[^"]+)\.ts"/g, '$1.js"'));
  }
}
