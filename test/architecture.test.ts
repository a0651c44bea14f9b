// Holds the table of rooms in docs/architecture.md: no import that a row does not name, no room unlisted, no circle of rooms or of files.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");

interface Room {
  readonly name: string;
  readonly mayImport: readonly string[] | "everything";
}

function readRooms(): Room[] {
  const text = readFileSync(join(root, "docs/architecture.md"), "utf8");
  const rows = [...text.matchAll(/^\| `([^`]+)` \| .* \| ([^|]+) \|$/gm)];
  return rows.map(([, name = "", allowed = ""]) => ({ name, mayImport: parseAllowed(allowed.trim()) }));
}

function parseAllowed(text: string): Room["mayImport"] {
  if (text === "everything") return "everything";
  if (text === "nothing") return [];
  return text.split(", ").map((name) => (name === "native" || name === "drivers" ? name : `src/${name}`));
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Files that a file imports, type imports and `import("…")` types included. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+\.ts)"/g)].map(
    ([, path = ""]) => path,
  );
  return specifiers.map((path) => relative(root, resolve(root, dirname(file), path)));
}

const rooms = readRooms();
const files = ["src", "drivers", "native"].flatMap(sourceFiles);

/** The most specific room a file is in. */
function roomOf(file: string): Room | undefined {
  return rooms
    .filter(({ name }) => file === name || file.startsWith(`${name}/`))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

test("the table of rooms is there", () => {
  expect(rooms.length).toBeGreaterThan(15);
});

test("every source file is in a room", () => {
  expect(files.filter((file) => !roomOf(file))).toEqual([]);
});

test("a room imports only what its row names", () => {
  const strays = files.flatMap((file) => {
    const from = roomOf(file);
    return importsOf(file).flatMap((target) => {
      const to = roomOf(target);
      const isAllowed =
        from && to && (from === to || from.mayImport === "everything" || from.mayImport.includes(to.name));
      return isAllowed ? [] : [`${file} imports ${target}`];
    });
  });
  expect(strays).toEqual([]);
});

test("a driver imports no other driver", () => {
  const driver = (file: string) => (file.startsWith("drivers/") ? file.split("/")[1] : undefined);
  const strays = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => driver(file) && driver(target) && driver(file) !== driver(target))
      .map((target) => `${file} imports ${target}`),
  );
  expect(strays).toEqual([]);
});

test("the command line sees nothing of the API but its schemas", () => {
  const strays = files
    .filter((file) => file.startsWith("src/cli/"))
    .flatMap((file) =>
      importsOf(file)
        .filter((target) => target.startsWith("src/api/") && !target.startsWith("src/api/schemas/"))
        .map((target) => `${file} imports ${target}`),
    );
  expect(strays).toEqual([]);
});

test("rooms do not import in a circle", () => {
  expect(findCircle(edgesBetween((file) => roomOf(file)?.name))).toBeUndefined();
});

test("files do not import in a circle", () => {
  expect(findCircle(edgesBetween((file) => file))).toBeUndefined();
});

/** Who imports whom, by what a file belongs to. */
function edgesBetween(ownerOf: (file: string) => string | undefined): Map<string, Set<string>> {
  const edges = new Map<string, Set<string>>();
  for (const file of files) {
    const from = ownerOf(file);
    for (const target of importsOf(file)) {
      const to = ownerOf(target);
      if (from && to && from !== to) edges.set(from, (edges.get(from) ?? new Set()).add(to));
    }
  }
  return edges;
}

/** A path that ends where it begins. */
function findCircle(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return undefined;
    done.add(node);
    for (const next of edges.get(node) ?? []) {
      const circle = visit(next, [...path, node]);
      if (circle) return circle;
    }
    return undefined;
  };
  for (const node of edges.keys()) {
    const circle = visit(node, []);
    if (circle) return circle;
  }
  return undefined;
}
