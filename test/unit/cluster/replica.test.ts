import { describe, expect, test } from "vitest";
import { Replica } from "../../../src/cluster/replica.ts";

const put = (key: string, value: unknown) => ({ table: "socks", key, value });
const gone = (key: string) => put(key, undefined);
const stored = (key: string, value: unknown, revision: number) => ({ ...put(key, value), revision });

/** What followers of a table hear, a line per change. */
function listen(replica: Replica): string[] {
  const heard: string[] = [];
  replica.copy("socks").follow((changes) => {
    for (const change of changes)
      heard.push(
        change.kind === "put"
          ? `${replica.revision} +${change.entry.key}@${change.entry.revision}`
          : `${replica.revision} -${change.before.key}`,
      );
  });
  return heard;
}

describe("a replica", () => {
  test("takes each revision once", () => {
    const replica = new Replica();
    const heard = listen(replica);
    replica.apply(5, [put("left", "red")]);
    replica.apply(5, [put("left", "blue")]);
    replica.apply(4, [gone("left")]);
    expect(heard).toEqual(["5 +left@5"]);
    expect(replica.copy("socks").get("left")?.value).toBe("red");
  });

  test("tells nothing of the deletion of what it did not have", () => {
    const replica = new Replica();
    const heard = listen(replica);
    replica.apply(5, [gone("left")]);
    expect([heard, replica.revision]).toEqual([[], 5]);
  });

  test("advances without a change, and never back", () => {
    const replica = new Replica();
    replica.advance(7);
    replica.advance(3);
    expect(replica.revision).toBe(7);
  });

  test("tells how a whole reading differs: deletions first, then by revision", () => {
    const replica = new Replica();
    for (const [index, key] of ["same", "changed", "gone"].entries())
      replica.apply(index + 1, [put(key, "red")]);
    const heard = listen(replica);
    replica.reset(20, [stored("new", "red", 12), stored("changed", "blue", 11), stored("same", "red", 1)]);
    expect(heard).toEqual(["20 -gone", "20 +changed@11", "20 +new@12"]);
  });

  test("takes a whole reading of what it has without a word", () => {
    const replica = new Replica();
    replica.apply(1, [put("left", "red")]);
    const heard = listen(replica);
    replica.reset(9, [stored("left", "red", 1)]);
    expect([heard, replica.revision]).toEqual([[], 9]);
  });

  test("a reading leaves no record of a table that is empty now", () => {
    const replica = new Replica();
    replica.apply(1, [{ table: "drawers", key: "top", value: 1 }, put("left", "red")]);
    replica.reset(2, []);
    expect([...replica.records()]).toEqual([]);
  });

  test("a follower that stops another one is obeyed within the same change", () => {
    const replica = new Replica();
    const copy = replica.copy("socks");
    const heard: string[] = [];
    copy.follow(() => stop());
    const stop = copy.follow(() => heard.push("second"));
    replica.apply(1, [put("left", "red")]);
    expect(heard).toEqual([]);
  });

  test("a reader's list does not change under it", () => {
    const replica = new Replica();
    replica.apply(1, [put("a", 1), put("b", 1)]);
    const entries = replica.copy("socks").entries();
    replica.apply(2, [gone("a")]);
    expect(entries.map(({ key }) => key)).toEqual(["a", "b"]);
  });

  test("waiting ends with the revision, or with the time", async () => {
    const replica = new Replica();
    const waiting = replica.until(() => replica.revision >= 3, 60_000);
    replica.apply(2, [put("left", "red")]);
    replica.apply(3, [put("left", "red")]);
    expect(await waiting).toBe(true);
    expect(await replica.until(() => replica.revision >= 4, 1)).toBe(false);
  });
});
