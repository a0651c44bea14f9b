// What a reader of the README finds: every page, and no link that leads nowhere.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const project = join(import.meta.dirname, "..", "..", "..");

interface Link {
  readonly from: string;
  readonly text: string;
  /** A path in the project. */
  readonly to: string;
  /** Of a heading; empty: none. */
  readonly anchor: string;
}

/** Links of a page to other files of the project; a folder stands for its README, where it has one. */
function linksOf(page: string): Link[] {
  const prose = readFileSync(join(project, page), "utf8").replace(/^```.*?^```/gms, "");
  return [...prose.matchAll(/\]\(([^)\s]*)\)/g)].flatMap(([, text = ""]) => {
    if (/^https?:/.test(text)) return [];
    const [path = "", anchor = ""] = text.split("#");
    const target = path === "" ? page : normalize(join(dirname(page), path));
    const readme = join(target, "README.md");
    return [{ from: page, text, to: existsSync(join(project, readme)) ? readme : target, anchor }];
  });
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): string[] {
  const headings = [...readFileSync(join(project, page), "utf8").matchAll(/^#+ (.*)$/gm)];
  return headings.map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\-_ ]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  );
}

/** Pages that can be come to, and all links on the way. */
function readFrom(first: string): { readonly pages: ReadonlySet<string>; readonly links: readonly Link[] } {
  const pages = new Set([first]);
  const links: Link[] = [];
  for (const page of pages) {
    if (!page.endsWith(".md")) continue;
    for (const link of linksOf(page)) {
      links.push(link);
      if (existsSync(join(project, link.to)) && statSync(join(project, link.to)).isFile()) pages.add(link.to);
    }
  }
  return { pages, links };
}

const { pages, links } = readFrom("README.md");

test("every link leads to a file, and to a heading in it", () => {
  const isDead = ({ to, anchor }: Link) =>
    !existsSync(join(project, to)) ||
    (anchor !== "" && to.endsWith(".md") && !anchorsOf(to).includes(anchor));
  expect(links.length).toBeGreaterThan(100);
  expect(links.filter(isDead).map(({ from, text }) => `${from}: ${text}`)).toEqual([]);
});

test("every page can be come to from the README", () => {
  const all = ["bench", "docs", "drivers", "examples"].flatMap((folder) =>
    readdirSync(join(project, folder), { recursive: true, encoding: "utf8" }).map((file) =>
      join(folder, file),
    ),
  );
  expect(all.filter((file) => file.endsWith(".md") && !pages.has(file))).toEqual([]);
});
