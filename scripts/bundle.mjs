// Bundles the programs into dist/: starting from one file each halves their start-up time.
//   node scripts/bundle.mjs [FOLDER [ENTRY…]]   elsewhere, and these instead of all (also such as only tests have)
// Loaded at run time from node_modules: lmdb (has a native part), and what writes certificates (few daemons ever do).

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const [, , folder = "dist", ...wanted] = process.argv;

const programs = [
  { entry: "src/main.ts", out: "tsdockerd.mjs" },
  // CommonJS: Node starts it 6 ms sooner than a module, of 45 that a command takes.
  { entry: "src/cli/main.ts", out: "tsdocker.cjs", format: "cjs" },
  { entry: "src/proxy/main.ts", out: "tsdocker-proxy.mjs" },
  { entry: "src/driververify/index.ts", out: "driververify.mjs" },
];

/** An `import` of node:http makes Node read all its exports, and one of them loads undici: 30 ms that nobody needs. */
const leanHttp = {
  name: "lean http",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:https?$/ }, ({ path, kind }) =>
      kind === "import-statement" ? { path, namespace: "builtin" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule("${path}");`,
    }));
  },
};

/** The conformance kit is large and few ever call it: the command line loads a bundle of its own when it does. */
const kitApart = {
  name: "kit apart",
  setup({ onResolve }) {
    onResolve({ filter: /driververify\/index\.ts$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./driververify.mjs", external: true } : undefined,
    );
  },
};

const named = (entry) =>
  programs.find((program) => program.entry === entry) ?? { entry, out: `${basename(entry, ".ts")}.mjs` };
const chosen = wanted.length > 0 ? wanted.map(named) : programs;

for (const { entry, out, format = "esm" } of chosen.filter(({ entry }) => existsSync(`${root}${entry}`))) {
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(folder, out),
    bundle: true,
    platform: "node",
    target: "node22",
    format,
    external: ["lmdb", "@peculiar/x509", "reflect-metadata"],
    plugins: [leanHttp, kitApart],
    // reading less is faster; names stay for the sake of stack traces
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: "linked",
    logLevel: "warning",
    legalComments: "none",
    // packages written for CommonJS ask for `require`
    banner:
      format === "cjs"
        ? {}
        : {
            js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
          },
  });
}
