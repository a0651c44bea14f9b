// Ports in a row as one value, and apart again.

import { expect, test } from "vitest";
import { joinBindings, joinExposed, singleBindings } from "../../../src/engine/port-runs.ts";
import type { PortBinding } from "../../../src/engine/types.ts";

const udp = (containerPort: number, hostPort: number): PortBinding => ({
  protocol: "udp",
  containerPort,
  hostPorts: { first: hostPort, last: hostPort },
});

test("ten thousand bindings that follow one another are one, and come apart as they were", () => {
  const single = Array.from({ length: 10_000 }, (_, at) => udp(20_000 + at, 30_000 + at));
  const joined = joinBindings(single);
  expect(joined).toEqual([
    { protocol: "udp", containerPort: 20_000, count: 10_000, hostPorts: { first: 30_000, last: 39_999 } },
  ]);
  expect(singleBindings(joined)).toEqual(single);
});

test("bindings stay apart that lead elsewhere, leave a choice, or are there twice", () => {
  const anyOf: PortBinding = { protocol: "udp", containerPort: 3, hostPorts: { first: 3, last: 9 } };
  const apart = [udp(1, 1), udp(2, 3), udp(1, 1), { protocol: "udp", containerPort: 2 } as const, anyOf];
  expect(joinBindings(apart)).toEqual(apart);
});

test("exposed ports are joined by protocol, in the order in which they came", () => {
  const one = (protocol: "tcp" | "udp", port: number) => ({ protocol, range: { first: port, last: port } });
  expect(joinExposed([one("tcp", 80), one("udp", 81), one("tcp", 81), one("tcp", 7)])).toEqual([
    { protocol: "tcp", range: { first: 80, last: 81 } },
    one("udp", 81),
    one("tcp", 7),
  ]);
});
