// All drivers are tried, and every rule is about at least one of them: what is left out everywhere would be no rule.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ipamChecks, networkChecks, openSession } from "../../../src/driververify/index.ts";
import { Undo } from "../../../src/util/undo.ts";
import { builtIn, type Tried } from "./built-in.ts";
import { examples } from "./examples.ts";

test("each driver that comes with the engine is put through the kit", () => {
  const folder = join(import.meta.dirname, "../../../drivers");
  expect(Object.keys(builtIn).toSorted()).toEqual(readdirSync(folder).toSorted());
});

test("each rule of the kit is about at least one driver", async () => {
  const asked = new Set<string>();
  for (const tried of Object.values<Tried>({ ...builtIn, ...examples }))
    for (const id of await askedOf(tried)) asked.add(id);
  const all = [...networkChecks, ...ipamChecks].map(({ id }) => id);
  expect(all.filter((id) => !asked.has(id))).toEqual([]);
});

async function askedOf({ lacks, open }: Tried): Promise<readonly string[]> {
  if ((await lacks?.()) !== undefined) return [];
  await using undo = new Undo();
  await using session = openSession(await open(undo));
  return (await session.plan()).applying.map(({ id }) => id);
}
