// Whom a member names at its first start, and when that is somebody else by then.

import { describe, expect, test } from "vitest";
import { changedMembers, firstMembers } from "../../../../src/cluster/member/first-members.ts";

const url = (digit: number) => `https://192.0.2.${digit}:2380`;
const voter = (digit: number) => ({ name: `n${digit}`, peerUrls: [url(digit)], isLearner: false });
const newcomer = { nodeId: "n4", peerUrl: url(4) };
const expected = { name: "", peerUrls: [newcomer.peerUrl], isLearner: true };
const given = firstMembers([voter(1), voter(2), expected], newcomer);

test("a member names those with a vote, and itself", () => {
  expect(given).toEqual([{ nodeId: "n1", peerUrl: url(1) }, { nodeId: "n2", peerUrl: url(2) }, newcomer]);
});

describe("a newcomer whose etcd has not started", () => {
  const changed = (...list: Parameters<typeof changedMembers>[0]) =>
    changedMembers(list, { newcomer, given });

  test("is given others when a member has gone or come", () => {
    expect(changed(voter(1), expected)).toEqual([{ nodeId: "n1", peerUrl: url(1) }, newcomer]);
    expect(changed(voter(1), voter(2), voter(3), expected)).toHaveLength(4);
  });

  test("is left alone while they are the same, in whatever order", () => {
    expect(changed(expected, voter(2), voter(1))).toBeUndefined();
  });

  test("is left alone once it has started, has its vote, or is expected no more", () => {
    expect(changed(voter(1), { ...expected, name: "n4" })).toBeUndefined();
    expect(changed(voter(1), { ...expected, name: "n4", isLearner: false })).toBeUndefined();
    expect(changed(voter(1))).toBeUndefined();
  });
});
