import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Candidate, planSeats, type Seat, type Wish } from "../../../../src/cluster/join/seats.ts";

let count = 0;
const host = (seat: Seat, wish: Wish = "auto", isAlive = true): Candidate => {
  const nodeId = `h${++count}`;
  return { nodeId, seat, wish, isAlive, joinedAt: `2026-01-01T00:00:${String(count).padStart(5, "0")}Z` };
};
const many = (number: number, make: () => Candidate) => Array.from({ length: number }, make);
const member = () => host("member");
const node = () => host("node");
const offered = (hosts: readonly Candidate[]) => planSeats(hosts).offer.length;

describe("members are one, three or five", () => {
  test.each([
    ["one member alone stays one", [member()], 0],
    ["a second host stays a plain node", [member(), node()], 0],
    ["a third makes three members of all", [member(), node(), node()], 2],
    ["a fourth stays a plain node", [...many(3, member), node()], 0],
    ["a hundred stay plain nodes", [...many(3, member), ...many(100, node)], 0],
    ["two that are left are filled up from the nodes", [...many(2, member), ...many(4, node)], 1],
    ["two that are left stay two without a node", many(2, member), 0],
    ["one who asks beside three waits for a second", [...many(3, member), host("node", "member")], 0],
    [
      "two who ask beside three make five",
      [...many(3, member), host("node", "member"), host("node", "member")],
      2,
    ],
    ["never more than five", [...many(5, member), ...many(4, () => host("node", "member"))], 0],
    [
      "four that are left of five are filled up by one who asks",
      [...many(4, member), host("node", "member")],
      1,
    ],
    ["four that are left of five are not filled up by who did not ask", [...many(4, member), node()], 0],
    ["who wants to be a plain node is left alone", [member(), host("node", "node"), host("node", "node")], 0],
    ["who is away is not asked", [member(), node(), host("node", "auto", false)], 0],
  ] as const)("%s", (_, hosts, expected) => {
    expect(offered(hosts)).toBe(expected);
  });
});

test("those who asked come first, then those who came first", () => {
  const hosts = [member(), host("node"), host("node"), host("node"), host("node", "member")];
  expect(planSeats(hosts).offer).toEqual([hosts[4]?.nodeId, hosts[1]?.nodeId]);
});

test("who has an offer keeps it while others come", () => {
  const hosts = [member(), host("offered"), host("offered"), host("node", "member")];
  expect(planSeats(hosts)).toEqual({ offer: [], withdraw: [] });
});

test("an offer to a host that died goes to another", () => {
  const hosts = [member(), host("offered", "auto", false), host("offered"), node()];
  expect(planSeats(hosts)).toEqual({ offer: [hosts[3]?.nodeId], withdraw: [hosts[1]?.nodeId] });
});

test("offers are taken back when too few are left to make the number odd", () => {
  const hosts = [member(), host("offered"), host("offered", "auto", false)];
  expect(planSeats(hosts)).toEqual({ offer: [], withdraw: [hosts[1]?.nodeId, hosts[2]?.nodeId] });
});

test("whatever comes and goes, the plan leads to an odd number and then to no further change", () => {
  const anyHost = fc.record({
    seat: fc.constantFrom<Seat>("member", "node", "offered"),
    wish: fc.constantFrom<Wish>("auto", "member", "node"),
    isAlive: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(anyHost, { maxLength: 12 }), (facts) => {
      const hosts = facts.map((fact, index) => ({
        ...fact,
        nodeId: `n${index}`,
        joinedAt: String(index % 3),
      }));
      const count = (of: readonly Candidate[]) => of.filter(({ seat }) => seat === "member").length;
      let now: readonly Candidate[] = hosts;
      // one round to three, one to five, one to see that it is enough
      for (let round = 0; round < 3; round++) {
        const { offer, withdraw } = planSeats(now);
        for (const id of offer)
          expect(now.find(({ nodeId }) => nodeId === id)).toMatchObject({ isAlive: true });
        now = now.map((one) => ({ ...one, seat: seatAfter(one, offer, withdraw) }));
      }
      if (count(now) > count(hosts)) expect([1, 3, 5]).toContain(count(now));
      expect(planSeats(now)).toEqual({ offer: [], withdraw: [] });
    }),
  );
});

function seatAfter(host: Candidate, offer: readonly string[], withdraw: readonly string[]): Seat {
  if (withdraw.includes(host.nodeId)) return "node";
  return host.seat === "node" && !offer.includes(host.nodeId) ? "node" : "member";
}
