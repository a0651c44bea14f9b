// The folder of a new driver: sources from the examples that come with tsdocker, and what is around them.

import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hasCode } from "../../../util/errors.ts";
import { describePackage, describeProject, readme, type ScaffoldOptions } from "./scaffold-files.ts";

export interface Scaffolded {
  /** Names in the folder. */
  readonly files: readonly string[];
  /** The package that the driver is written against. */
  readonly sdk: string;
  readonly sdkIsBuilt: boolean;
}

/** Makes the folder. @throws when the name is none for a driver, or something is there already */
export function scaffold(options: ScaffoldOptions): Scaffolded {
  const { name, isRemote, folder } = options;
  // what a package of npm, a socket and a driver can be called
  if (!/^[a-z0-9][a-z0-9_.-]{0,63}$/.test(name))
    throw new Error(
      `${JSON.stringify(name)} is no name for a driver: lower-case letters, digits, "-", "_" and "." are`,
    );
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new Error(`make ${folder}: it is there already, and not empty`);
  const root = findRoot();
  const sdk = join(root, "dist", "sdk");
  const { template, placeholder } = templateOf(options);
  const sources = readdirSync(join(root, "examples", template))
    .filter((file) => file.endsWith(".ts") && (isRemote || file !== "serve.ts"))
    .map((file) => {
      const text = readFileSync(join(root, "examples", template, file), "utf8");
      return [file, text.replaceAll(placeholder, name)] as const;
    });
  const files = new Map([
    ...sources,
    ["package.json", describePackage(options, sdk)],
    ["tsconfig.json", describeProject()],
    ["README.md", readme(options)],
    [".gitignore", "node_modules/\ndist/\n"],
  ]);
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of files) writeNew(join(folder, file), text);
  return { files: [...files.keys()], sdk, sdkIsBuilt: existsSync(join(sdk, "package.json")) };
}

/** A folder of the examples, and what its driver is called there. */
function templateOf({ kind, isRemote }: ScaffoldOptions): { template: string; placeholder: string } {
  if (kind === "ipam") return { template: "templates/ipam", placeholder: "__name__" };
  if (isRemote) return { template: "templates/network-remote", placeholder: "__name__" };
  return { template: "smallest-driver", placeholder: "smallest" };
}

/** Somebody else may make the same at the same time. */
function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: "wx" });
  } catch (error) {
    throw hasCode(error, "EEXIST") ? new Error(`write ${path}: it is there already`) : error;
  }
}

/** Where tsdocker is: above the program that runs. */
function findRoot(): string {
  const start = dirname(realpathSync(process.argv[1] ?? "."));
  for (let folder = start; folder !== dirname(folder); folder = dirname(folder))
    if (existsSync(join(folder, "examples", "templates"))) return folder;
  throw new Error(
    `there are no templates above ${start}: this installation of tsdocker lacks examples/templates`,
  );
}
