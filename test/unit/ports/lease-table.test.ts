// Which leases are in each other's way.

import { expect, test } from "vitest";
import { formatAddress, parseAddress } from "../../../src/netip/index.ts";
import { LeaseTable } from "../../../src/ports/lease-table.ts";

const addresses = (...texts: string[]) => texts.flatMap((text) => parseAddress(text) ?? []);
const one = (port: number) => ({ first: port, last: port });
const conflict = (table: LeaseTable, text: string, port = 80) => {
  const found = table.conflictOf("tcp", addresses(text), one(port));
  return found && formatAddress(found.address);
};

test("an address conflicts with itself and with all addresses of its family", () => {
  const table = new LeaseTable();
  table.add("tcp", addresses("127.0.0.1"), one(80));
  expect(conflict(table, "127.0.0.1")).toBe("127.0.0.1");
  expect(conflict(table, "0.0.0.0")).toBe("0.0.0.0");
  expect([conflict(table, "192.0.2.1"), conflict(table, "::"), conflict(table, "127.0.0.1", 81)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("all addresses of a family conflict with each of them and with none of the other family", () => {
  const table = new LeaseTable();
  table.add("tcp", addresses("::"), one(80));
  expect(conflict(table, "2001:db8::1")).toBe("2001:db8::1");
  expect(conflict(table, "0.0.0.0")).toBeUndefined();
});

test("protocols do not conflict", () => {
  const table = new LeaseTable();
  table.add("tcp", addresses("0.0.0.0"), one(53));
  expect(table.conflictOf("udp", addresses("0.0.0.0"), one(53))).toBeUndefined();
});

test("what is removed is free, and only that", () => {
  const table = new LeaseTable();
  table.add("tcp", addresses("0.0.0.0", "::"), one(80));
  table.remove("tcp", addresses("0.0.0.0"), one(80));
  expect(conflict(table, "127.0.0.1")).toBeUndefined();
  expect(conflict(table, "::1")).toBe("::1");
  table.remove("tcp", addresses("::"), one(80));
  table.remove("tcp", addresses("::"), one(80));
  expect(conflict(table, "::1")).toBeUndefined();
});
