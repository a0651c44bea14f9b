// The sequence that leaves a container running behind.

import { describe, expect, it } from "vitest";
import { DetachDetector, keyBytes, parseDetachKeys } from "../../../src/cli/detach.ts";

const push = (detector: DetachDetector, bytes: number[]) => {
  const { data, detached } = detector.push(Buffer.from(bytes));
  return { bytes: [...data], detached };
};

describe("detach keys", () => {
  it("are read as letters and control keys", () => {
    expect(keyBytes("ctrl-p,ctrl-q")).toEqual([16, 17]);
    expect(keyBytes("a,ctrl-@,ctrl-_")).toEqual([97, 0, 31]);
    expect(keyBytes("ctrl-1")).toBeUndefined();
    expect(parseDetachKeys("nonsense")).toEqual([16, 17]);
  });

  it("end the input when they come one after the other, in one piece or two", () => {
    expect(push(new DetachDetector([16, 17]), [97, 16, 17, 98])).toEqual({ bytes: [97], detached: true });
    const slow = new DetachDetector([16, 17]);
    expect(push(slow, [16])).toEqual({ bytes: [], detached: false });
    expect(push(slow, [17])).toEqual({ bytes: [], detached: true });
  });

  it("let a beginning through that was none", () => {
    const detector = new DetachDetector([16, 17]);
    expect(push(detector, [16, 97])).toEqual({ bytes: [16, 97], detached: false });
    expect(push(detector, [16, 16])).toEqual({ bytes: [16], detached: false });
    expect(push(detector, [17])).toEqual({ bytes: [], detached: true });
  });
});
