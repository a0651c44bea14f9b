// Capabilities added and dropped.

import { describe, expect, test } from "vitest";
import { chooseCapabilities } from "../../../src/runtime/index.ts";
import { knownCapabilities } from "../../../src/runtime/oci/capabilities.ts";

const choose = (add: readonly string[], drop: readonly string[], privileged = false) =>
  chooseCapabilities({ privileged, add, drop }, knownCapabilities);

describe("capabilities", () => {
  test("are added and dropped by any spelling", () => {
    const chosen = choose(["net_admin", "CAP_SYS_TIME"], ["Chown", "CAP_MKNOD"]);
    expect(chosen).toContain("CAP_NET_ADMIN");
    expect(chosen).toContain("CAP_SYS_TIME");
    expect(chosen).not.toContain("CAP_CHOWN");
    expect(chosen).not.toContain("CAP_MKNOD");
    expect(chosen).toHaveLength(14);
  });

  test("are all but the dropped when all are added", () => {
    expect(choose(["ALL"], ["CHOWN"])).toEqual(knownCapabilities.filter((name) => name !== "CAP_CHOWN"));
  });

  test("are only the added when all are dropped", () => {
    expect(choose(["CHOWN"], ["all"])).toEqual(["CAP_CHOWN"]);
    expect(choose([], ["ALL"])).toEqual([]);
  });

  test("of a privileged container are all, whatever is dropped", () => {
    expect(choose([], ["ALL"], true)).toEqual(knownCapabilities);
  });

  test("that nobody knows are refused with Docker's text", () => {
    expect(() => choose(["FLY"], [])).toThrow('invalid CapAdd: unknown capability: "FLY"');
    expect(() => choose([], ["FLY"])).toThrow('invalid CapDrop: unknown capability: "FLY"');
  });

  test("that the daemon lacks cannot be added and are left out elsewhere", () => {
    const available = knownCapabilities.filter((name) => name !== "CAP_SYS_RESOURCE" && name !== "CAP_MKNOD");
    const from = (add: readonly string[]) =>
      chooseCapabilities({ privileged: false, add, drop: [] }, available);
    expect(() => from(["SYS_RESOURCE"])).toThrow("not available in the current environment");
    expect(from(["ALL"])).toEqual(available);
    expect(from([])).not.toContain("CAP_MKNOD");
  });
});
