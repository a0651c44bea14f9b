import { expect, test } from "vitest";
import { parseEndpoints } from "../../../../src/cluster/etcd/index.ts";

const words = (text: string) =>
  parseEndpoints(text).map(({ name, target, isSecure }) => [name, target, isSecure]);

test.each([
  ["etcd://a:2379", [["a:2379", "dns:a:2379", undefined]]],
  ["http://192.0.2.1:2379", [["192.0.2.1:2379", "ipv4:192.0.2.1:2379", false]]],
  ["https://[2001:db8::1]:4001/", [["[2001:db8::1]:4001", "ipv6:[2001:db8::1]:4001", true]]],
  ["a", [["a:2379", "dns:a:2379", undefined]]],
  ["[2001:db8::1]", [["[2001:db8::1]:2379", "ipv6:[2001:db8::1]:2379", undefined]]],
])("%s is read", (text, expected) => {
  expect(words(text)).toEqual(expected);
});

test("one scheme is for all that follow it, until another comes", () => {
  expect(words("https://a:1,b:2, http://c:3,d").map(([name, , isSecure]) => [name, isSecure])).toEqual([
    ["a:1", true],
    ["b:2", true],
    ["c:3", false],
    ["d:2379", false],
  ]);
});

test("the same member twice is one", () => {
  expect(words("etcd://a,a:2379,b")).toHaveLength(2);
});

test.each([
  ["", "(empty)"],
  ["etcd://", "etcd://"],
  ["a:b", "a:b"],
  ["zk://a:2181", "the scheme is etcd, http or https"],
  ["a:0", "no port 0"],
  ["a:70000", "no port 70000"],
  ["http://a:1/path", "http://a:1/path"],
  ["2001:db8::1", "2001:db8::1"],
  ["a,,b", "(empty)"],
])("%j is refused in words", (text, part) => {
  expect(() => parseEndpoints(text)).toThrow(
    expect.objectContaining({ kind: "invalid", message: expect.stringContaining(part) }),
  );
});
