// What an overlay's links are to know: rows from records, and what makes a kernel's table hold them.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isStrange } from "../../../drivers/overlay/drift.ts";
import { rowOfEntry, rowOfNeighbour } from "../../../drivers/overlay/kernel-rows.ts";
import { RowClaims } from "../../../drivers/overlay/row-claims.ts";
import {
  everyMac,
  type Row,
  remoteRows,
  rowChanges,
  rowKey,
  rowText,
} from "../../../drivers/overlay/rows.ts";
import type { ClusterNode, NetworkEvent } from "../../../src/driverapi/index.ts";
import { address, mac } from "../kernel/values.ts";

const node = (id: string, ip: string, dataPort = 4789): ClusterNode => ({
  id,
  name: id,
  address: address(ip),
  dataPort,
  version: "",
});
const self = node("one", "192.0.2.1");
const tunnels = new Map([
  [5001, 3],
  [5002, 4],
]);
const place = { self, tunnels, floods: undefined };
const endpoint = {
  node: "two",
  mac: mac("02:42:0a:09:00:03"),
  addresses: [address("10.9.0.3"), address("fd09::3")],
  vni: 5002,
};

describe("the rows of an endpoint on another host", () => {
  test("lead to its host by the tunnel of its segment, and answer for its addresses", () => {
    const rows = remoteRows(endpoint, node("two", "192.0.2.2"), place);
    expect(rows.map(rowText)).toEqual([
      "tunnel 4 02:42:0a:09:00:03 192.0.2.2 ",
      "port 02:42:0a:09:00:03 4",
      "neighbour 4 10.9.0.3 02:42:0a:09:00:03",
      "neighbour 4 fd09::3 02:42:0a:09:00:03",
    ]);
  });

  test("name the port of a host that has another one", () => {
    const [row] = remoteRows(endpoint, node("two", "192.0.2.2", 4790), place);
    expect(row).toMatchObject({ kind: "tunnel", port: 4790 });
  });

  test("take what is for everybody to its host, where the network has that, by one tunnel alone", () => {
    const rows = remoteRows(endpoint, node("two", "192.0.2.2"), { ...place, floods: 3 });
    expect(rows.at(-1)).toMatchObject({ kind: "flood", link: 3, to: address("192.0.2.2") });
  });

  test.for([
    ["nobody knows", undefined],
    ["has another family", node("two", "2001:db8::2")],
    ["says it is here", node("two", "192.0.2.1")],
  ] as const)("are none for a host that %s", ([, where]) => {
    expect(remoteRows(endpoint, where, place)).toEqual([]);
  });

  test("are none for a segment that the network does not have", () => {
    expect(remoteRows({ ...endpoint, vni: 7 }, node("two", "192.0.2.2"), place)).toEqual([]);
  });
});

describe("claims", () => {
  const port = (link: number): Row => ({ kind: "port", mac: endpoint.mac, link });
  const key = rowKey(port(0));

  test("are won by the latest record, and by this host's own over all", () => {
    const claims = new RowClaims();
    expect(claims.set("n/a", [port(3)], 7)).toEqual([key]);
    claims.set("n/b", [port(4)], 9);
    expect(claims.get(key)).toEqual(port(4));
    claims.set("port c", [port(10)], Number.POSITIVE_INFINITY);
    expect(claims.get(key)).toEqual(port(10));
    expect(claims.set("port c", [], 0)).toEqual([key]);
    claims.set("n/b", [], 0);
    expect(claims.get(key)).toEqual(port(3));
    expect([...claims.rows()]).toEqual([port(3)]);
    claims.set("n/a", [], 0);
    expect(claims.get(key)).toBeUndefined();
    expect([...claims.owners()]).toEqual([]);
  });

  test("of all endpoints of a host hold what goes to it until the last one is gone", () => {
    const claims = new RowClaims();
    const flood: Row = { kind: "flood", link: 3, to: address("192.0.2.2") };
    claims.set("n/a", [flood], 1);
    claims.set("n/b", [flood], 2);
    claims.set("n/b", [], 0);
    expect([...claims.rows()]).toEqual([flood]);
  });
});

const anyRow: fc.Arbitrary<Row> = fc.oneof(
  fc.record({
    kind: fc.constant("tunnel" as const),
    link: fc.integer({ min: 3, max: 4 }),
    mac: fc.constantFrom(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")),
    to: fc.constantFrom(address("192.0.2.2"), address("192.0.2.3")),
  }),
  fc.record({
    kind: fc.constant("flood" as const),
    link: fc.constant(3),
    to: fc.constantFrom(address("192.0.2.2"), address("192.0.2.3")),
  }),
  fc.record({
    kind: fc.constant("port" as const),
    mac: fc.constantFrom(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")),
    link: fc.integer({ min: 3, max: 4 }),
  }),
  fc.record({
    kind: fc.constant("neighbour" as const),
    link: fc.integer({ min: 3, max: 4 }),
    address: fc.constantFrom(address("10.9.0.2"), address("fd09::2")),
    mac: fc.constantFrom(mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")),
  }),
);

/** A kernel's table: a tunnel's entry may have several destinations, of which a replacement is of the first. */
class KernelTable {
  #rows: Row[];

  constructor(rows: readonly Row[]) {
    this.#rows = [...rows];
  }

  add(row: Row): void {
    const texts = this.#rows.map(rowText);
    if (texts.includes(rowText(row))) return;
    const at = row.kind === "flood" ? -1 : this.#rows.findIndex((own) => rowKey(own) === rowKey(row));
    if (at >= 0) this.#rows.splice(at, 1, row);
    else this.#rows.push(row);
  }

  /** By what a deletion says: a neighbour's MAC is not in it. */
  remove(row: Row): void {
    const name = row.kind === "neighbour" ? rowKey : rowText;
    this.#rows = this.#rows.filter((own) => name(own) !== name(row));
  }

  get texts(): string[] {
    return this.#rows.map(rowText).sort();
  }
}

/** Only one row of a key is ever wanted. */
const anyWish = fc.uniqueArray(anyRow, { selector: rowKey, maxLength: 8 });
/** Of tunnels' entries the kernel may have several of one key, of the rest one. */
const anyState = fc.uniqueArray(anyRow, {
  selector: (row) => (row.kind === "tunnel" ? rowText(row) : rowKey(row)),
  maxLength: 8,
});

test("changes bring any table to any wish, and nothing more the second time", () => {
  fc.assert(
    fc.property(anyWish, anyState, (wanted, is) => {
      const table = new KernelTable(is);
      const { added, removed } = rowChanges(wanted, is);
      for (const row of added) table.add(row);
      for (const row of removed) table.remove(row);
      expect(table.texts).toEqual(wanted.map(rowText).sort());
      expect(rowChanges(wanted, wanted)).toEqual({ added: [], removed: [] });
    }),
  );
});

describe("what the kernel has", () => {
  const links = { bridge: 2, tunnels };
  const own = { link: 3, mac: endpoint.mac, permanent: true } as const;

  test("is a row where it is of our shape", () => {
    const to = address("192.0.2.2");
    expect(rowOfEntry({ ...own, destination: to, self: true }, links)).toMatchObject({ kind: "tunnel", to });
    const every = { ...own, mac: everyMac, destination: to, self: true };
    expect(rowOfEntry(every, links)).toMatchObject({ kind: "flood", to });
    expect(rowOfEntry({ ...own, static: true, master: 2, self: false }, links)).toMatchObject({
      kind: "port",
    });
    const neighbour = { link: 3, address: address("10.9.0.3"), mac: endpoint.mac, state: 0x80 };
    expect(rowOfNeighbour({ ...neighbour, permanent: true }, links)).toMatchObject({ kind: "neighbour" });
  });

  test("is none where the kernel keeps it for itself", () => {
    // a port's own address, what a bridge has learnt, and what another link has
    expect(rowOfEntry({ ...own, master: 2, self: false }, links)).toBeUndefined();
    expect(rowOfEntry({ ...own, master: 9, static: true, self: false }, links)).toBeUndefined();
    expect(
      rowOfEntry({ ...own, link: 9, destination: address("192.0.2.2"), self: true }, links),
    ).toBeUndefined();
    const neighbour = { link: 3, address: address("10.9.0.3"), mac: endpoint.mac, state: 4 };
    expect(rowOfNeighbour({ ...neighbour, permanent: false }, links)).toBeUndefined();
  });
});

describe("a notification", () => {
  const links = { bridge: 2, tunnels };
  const wish: Row = { kind: "tunnel", link: 3, mac: endpoint.mac, to: address("192.0.2.2") };
  const neighbour: Row = { kind: "neighbour", link: 3, address: address("10.9.0.3"), mac: endpoint.mac };
  const port: Row = { kind: "port", mac: endpoint.mac, link: 3 };
  const rows = new Map([wish, neighbour, port].map((row) => [rowKey(row), row]));
  const expected = { links, ports: new Set([9]), mtu: 1450, wanted: (key: string) => rows.get(key) };
  const entry = {
    link: 3,
    mac: endpoint.mac,
    permanent: true,
    self: true,
    destination: address("192.0.2.2"),
  };
  const link = {
    index: 3,
    name: "vx5001",
    mtu: 1450,
    up: true,
    master: 2,
    group: 0,
    carrier: true,
    loopback: false,
  };
  const told = (event: object) => isStrange(event as NetworkEvent, expected);

  test.for([
    ["a wanted entry", { kind: "fdb", gone: false, entry }, false],
    ["a wanted entry that is gone", { kind: "fdb", gone: true, entry }, true],
    [
      "an entry that leads elsewhere",
      { kind: "fdb", gone: false, entry: { ...entry, destination: address("192.0.2.9") } },
      true,
    ],
    [
      "an unwanted entry that is gone",
      { kind: "fdb", gone: true, entry: { ...entry, mac: mac("02:00:00:00:00:09") } },
      false,
    ],
    [
      "an address of the bridge's in our place",
      { kind: "fdb", gone: false, entry: { ...entry, self: false, master: 2 } },
      true,
    ],
    [
      "a neighbour that fails",
      {
        kind: "neighbour",
        gone: false,
        neighbour: { link: 3, address: address("10.9.0.3"), state: 0x20, permanent: false },
      },
      true,
    ],
    [
      "a neighbour of another link",
      {
        kind: "neighbour",
        gone: true,
        neighbour: { link: 2, address: address("10.9.0.3"), state: 0x20, permanent: false },
      },
      false,
    ],
    ["a tunnel as it should be", { kind: "link", gone: false, link }, false],
    ["a tunnel off its bridge", { kind: "link", gone: false, link: { ...link, master: undefined } }, true],
    ["a tunnel that is gone", { kind: "link", gone: true, link }, true],
    ["a bridge that is down", { kind: "link", gone: false, link: { ...link, index: 2, up: false } }, true],
    ["a port that is down", { kind: "link", gone: false, link: { ...link, index: 9, up: false } }, true],
    ["a port that is gone", { kind: "link", gone: true, link: { ...link, index: 9 } }, false],
    ["a link of nobody's", { kind: "link", gone: true, link: { ...link, index: 77 } }, false],
    ["a gateway's address that is gone", { kind: "address", gone: true, address: { link: 2 } }, true],
    ["a route elsewhere", { kind: "route", gone: true, route: { link: 1 } }, false],
    ["that some were lost", { kind: "lost" }, true],
  ] as const)("of %s", ([, event, isSo]) => {
    expect(told(event)).toBe(isSo);
  });
});
