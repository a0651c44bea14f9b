// What is around a new driver's sources: the package, the compiler's project, the README.

export interface ScaffoldOptions {
  readonly name: string;
  readonly kind: "network" | "ipam";
  /** A plugin behind a socket. */
  readonly isRemote: boolean;
  readonly folder: string;
}

/** package.json. The kit is named by its path: it is where this tsdocker is. */
export function describePackage({ name, kind, isRemote }: ScaffoldOptions, sdk: string): string {
  const entry = isRemote ? "serve.ts" : "index.ts";
  const built = isRemote ? "dist/serve.js" : "dist/index.js";
  return json({
    name,
    version: "0.1.0",
    description: `A driver of ${kind === "ipam" ? "addresses" : "networks"} for tsdocker`,
    type: "module",
    ...(isRemote ? { bin: { [name]: built } } : { exports: `./${built}` }),
    files: ["dist"],
    scripts: {
      ...(isRemote && { start: `node ${entry}` }),
      // named: an older Node, which runs no TypeScript, would find no tests and call that a success
      test: "node --test *.test.ts",
      check: "tsc",
      build: `esbuild ${entry} --bundle --platform=node --target=node22 --format=esm --outfile=${built}`,
      prepack: "npm run build",
    },
    engines: { node: ">=22.18" },
    devDependencies: {
      "@types/node": "^24.0.0",
      esbuild: "^0.28.0",
      tsdocker: `file:${sdk}`,
      typescript: ">=5.8",
    },
  });
}

/** tsconfig.json: what Node runs by stripping types. */
export function describeProject(): string {
  return json({
    compilerOptions: {
      target: "es2024",
      lib: ["es2024", "esnext.disposable"],
      module: "nodenext",
      types: ["node"],
      noEmit: true,
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      verbatimModuleSyntax: true,
      erasableSyntaxOnly: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
    },
    include: ["*.ts"],
  });
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** README.md: how it is tried, started and published. */
export function readme(options: ScaffoldOptions): string {
  const { name, kind, isRemote } = options;
  const use =
    kind === "network"
      ? `docker network create -d ${name} n1\ndocker run --rm --network n1 busybox ip addr`
      : `docker network create --ipam-driver ${name} n1\ndocker run --rm --network n1 busybox ip addr`;
  return `# ${name}

${whatItIs(options)}

\`\`\`sh
npm install
npm test
npm run check          # types
${verifyLine(options)}
\`\`\`

## Use, as root

\`\`\`sh
${startLine(options)}
${use}
\`\`\`

${isRemote ? remoteNotes(name) : loadedNotes(name)}`;
}

function whatItIs({ kind, isRemote }: ScaffoldOptions): string {
  const what =
    kind === "network"
      ? "A driver of networks: a bridge for each network, a veth pair for each endpoint."
      : "A driver of addresses: one after the other out of a subnet.";
  return isRemote ? `${what} It is a plugin: a program of its own that a daemon calls over a socket.` : what;
}

function verifyLine({ name, isRemote }: ScaffoldOptions): string {
  return isRemote
    ? `tsdocker driver verify /run/docker/plugins/${name}.sock   # the conformance kit, while it runs`
    : "tsdocker driver verify ./index.ts   # the conformance kit";
}

function startLine({ name, isRemote }: ScaffoldOptions): string {
  return isRemote ? "npm start &" : `tsdockerd --driver ${name}=$PWD/index.ts &`;
}

function loadedNotes(name: string): string {
  return `The same in daemon.json: \`{"drivers": {"${name}": "/path/to/index.ts"}}\`.

## Publish

Node runs no TypeScript below \`node_modules\`, so a published package is JavaScript, with what it needs inside:
\`npm publish\` builds \`dist/index.js\` first. Whoever has installed it (\`npm install -g ${name}\`) names the package:
\`tsdockerd --driver ${name}=${name}\`.
`;
}

function remoteNotes(name: string): string {
  return `dockerd finds it too: its socket is where Docker looks for plugins.

## Publish

\`npm publish\` builds \`dist/serve.js\`, one file of JavaScript with all that it needs: \`npx ${name}\` starts it.
`;
}
