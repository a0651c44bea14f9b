import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { KeyValueSchema } from "../../../src/cluster/gen/kv_pb.ts";
import { KeySpace } from "../../../src/cluster/key-space.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const keys = new KeySpace("c1");

test("a record's key names its cluster and its table", () => {
  expect(keys.keyOf({ table: "networks", key: "blue/1" })).toBe("/tsdocker/c1/networks/blue/1");
});

test("names and keys lead to each other", () => {
  const name = { table: "networks", key: "a/b/c" };
  expect(keys.nameOf(bytes(keys.keyOf(name)))).toEqual(name);
});

test("what is no record of ours is none", () => {
  const record = (key: string, text: string) =>
    keys.recordOf(create(KeyValueSchema, { key: bytes(key), value: bytes(text), modRevision: 7n }));
  expect(record("/tsdocker/c1/networks/blue", '{"vni":{"$bigint":"1000"}}')).toEqual({
    table: "networks",
    key: "blue",
    value: { vni: 4096n },
    revision: 7,
  });
  expect(record("/tsdocker/c1/networks/blue", "{")).toBeUndefined();
  expect(record("/tsdocker/c1/stray", "1")).toBeUndefined();
});

test.each(["", "a/b", "../x", "a b"])("%j is no cluster's id", (id) => {
  expect(() => new KeySpace(id)).toThrow(expect.objectContaining({ kind: "invalid" }));
});
