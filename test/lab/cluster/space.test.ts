// A store that is full says so, reads go on, and it works again when there is room.

import { afterAll, beforeAll, expect, test } from "vitest";
import { compactStore, defragmentMember, disarmAlarms, listAlarms } from "../../../src/cluster/etcd/index.ts";
import { ClusterLab } from "./etcd-cluster.ts";

let lab: ClusterLab;

beforeAll(async () => {
  lab = await ClusterLab.create(["one"], { members: 1, quotaBytes: 4_000_000 });
});
afterAll(async () => await lab?.[Symbol.asyncDispose]());

test("a full store refuses writes in words and is still followed", async () => {
  await using cluster = lab.cluster();
  const one = await cluster.add("one");
  const table = await one.table<string>("filler");
  const text = "x".repeat(500_000);
  let error: unknown;
  for (let write = 0; write < 40 && !error; write++)
    error = await table.put("a", text + write).then(
      () => undefined,
      (reason: unknown) => reason,
    );
  expect(error).toMatchObject({ kind: "unavailable" });
  expect(String(error)).toContain("out of space (alarm NOSPACE)");
  expect(await listAlarms(lab.admin)).toMatchObject([{ kind: "no-space" }]);
  expect(one.state).toBe("connected");
  expect(table.get("a")).toBeDefined();

  await compactStore(lab.admin, await lab.revision());
  const [at] = lab.admin.connections();
  if (at) await defragmentMember(lab.admin, at);
  await disarmAlarms(lab.admin);
  expect(await listAlarms(lab.admin)).toEqual([]);
  await table.put("a", "small");
});
