// --user against a container's own passwd and group.

import { describe, expect, test } from "vitest";
import { lookUpUser } from "../../../src/runtime/rootfs/user.ts";

const files = {
  passwd: [
    "# comment",
    "root:x:0:0:root:/root:/bin/sh",
    "broken",
    "alice:x:1000:1001:Alice:/home/alice:/bin/sh",
    "nohome:x:5:6:::",
    "4000:x:7:7::/:",
    "",
  ].join("\n"),
  group: [
    "root:x:0:",
    "wheel:x:10:root",
    "alice:x:1001:",
    "staff:x:50:bob,alice",
    "bad:x:y:alice",
    "video:x:44:alice",
  ].join("\n"),
};

const lookUp = (user: string, groupAdd: readonly string[] = []) => lookUpUser(files, user, groupAdd);

describe("a user", () => {
  test("that nobody named is root with root's groups", () => {
    expect(lookUp("")).toEqual({ uid: 0, gid: 0, additionalGids: [10], home: "/root" });
  });

  test("by name has his own group, the groups that list him and his home", () => {
    expect(lookUp("alice")).toEqual({ uid: 1000, gid: 1001, additionalGids: [50, 44], home: "/home/alice" });
    expect(lookUp("1000")).toEqual(lookUp("alice"));
  });

  test("with a group has only that one", () => {
    expect(lookUp("alice:wheel")).toMatchObject({ uid: 1000, gid: 10, additionalGids: [] });
    expect(lookUp("alice:77")).toMatchObject({ gid: 77, additionalGids: [] });
    expect(lookUp(":wheel")).toMatchObject({ uid: 0, gid: 10 });
  });

  test("by a number that is not listed has group 0", () => {
    expect(lookUp("4711")).toEqual({ uid: 4711, gid: 0, additionalGids: [], home: "/" });
    expect(lookUp("4711:4712")).toMatchObject({ uid: 4711, gid: 4712 });
  });

  test("by a number is an id even where a name looks the same", () => {
    expect(lookUp("4000")).toMatchObject({ uid: 4000, gid: 0 });
  });

  test("without a home has the root folder", () => {
    expect(lookUp("nohome")).toMatchObject({ uid: 5, gid: 6, home: "/" });
  });

  test("gets further groups by name or number, each once", () => {
    expect(lookUp("alice", ["wheel", "10", "1234", "staff"]).additionalGids).toEqual([50, 44, 10, 1234]);
  });

  test("or a group that cannot be found is refused with Docker's text", () => {
    expect(() => lookUp("bob")).toThrow("unable to find user bob: no matching entries in passwd file");
    expect(() => lookUp("alice:nope")).toThrow(
      "unable to find group nope: no matching entries in group file",
    );
    expect(() => lookUp("alice", ["nope"])).toThrow("Unable to find group nope");
    expect(() => lookUp("2147483648")).toThrow("uids and gids must be in range 0-2147483647");
    expect(() => lookUp("1:2147483648")).toThrow("uids and gids must be in range 0-2147483647");
  });

  test("is found by number in a root file system without files", () => {
    const bare = { passwd: "", group: "" };
    expect(lookUpUser(bare, "", [])).toEqual({ uid: 0, gid: 0, additionalGids: [], home: "/" });
    expect(lookUpUser(bare, "12:13", [])).toMatchObject({ uid: 12, gid: 13 });
    expect(() => lookUpUser(bare, "root", [])).toThrow("unable to find user root");
  });
});
