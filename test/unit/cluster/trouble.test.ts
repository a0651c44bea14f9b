// What people are told when no member of the store can be followed.

import { expect, test } from "vitest";
import { sumUpTroubles } from "../../../src/cluster/trouble.ts";

test("members that failed alike are named together", () => {
  expect(
    sumUpTroubles([
      "keep this host's lease in the store: the store's members have no leader (etcd at 192.0.2.11:2379)",
      "reach the store: connect ECONNREFUSED 192.0.2.12:2379 (etcd at 192.0.2.12:2379)",
      "reach the store: connect ECONNREFUSED 192.0.2.13:2379 (etcd at 192.0.2.13:2379)",
    ]),
  ).toBe(
    "the store's members have no leader (etcd at 192.0.2.11:2379); " +
      "connect ECONNREFUSED (etcd at 192.0.2.12:2379, 192.0.2.13:2379)",
  );
});

test("what has another form stays as it is, once", () => {
  const other = "follow the store: it is another one (ab) than this host knew (cd)";
  expect(sumUpTroubles([other, other])).toBe(other);
  expect(sumUpTroubles(["log in to the store as me: wrong (etcd at [2001:db8::1]:2379)"])).toBe(
    "log in to the store as me: wrong (etcd at [2001:db8::1]:2379)",
  );
  expect(sumUpTroubles([])).toBe("");
});
