// Notifications as values.

import { describe, expect, it } from "vitest";
import { addAddress } from "../../../src/kernel/address.ts";
import { linkHeader } from "../../../src/kernel/link.ts";
import { addNeighbour } from "../../../src/kernel/neighbour.ts";
import { addRoute } from "../../../src/kernel/route.ts";
import { rtm } from "../../../src/kernel/rtnetlink.ts";
import { decodeEvent } from "../../../src/kernel/watch.ts";
import { address, mac, prefix } from "./values.ts";

const event = (type: number, payload: Uint8Array) =>
  decodeEvent({ type, flags: 0, sequence: 0, payload: Buffer.from(payload) });

describe("a notification", () => {
  it("says what came and what went", () => {
    const link = linkHeader(7, true);
    expect(event(rtm.newLink, link)).toMatchObject({
      kind: "link",
      gone: false,
      link: { index: 7, up: true },
    });
    expect(event(rtm.deleteLink, link)).toMatchObject({ kind: "link", gone: true });
    const onLink = { link: 7, prefix: prefix("192.0.2.1/24") };
    expect(event(rtm.deleteAddress, addAddress(onLink).payload)).toMatchObject({
      gone: true,
      address: onLink,
    });
    const route = { family: 4, destination: prefix("198.51.100.0/24"), link: 7 } as const;
    expect(event(rtm.newRoute, addRoute(route).payload)).toMatchObject({ kind: "route", gone: false, route });
    const neighbour = { link: 7, address: address("192.0.2.9"), mac: mac("02:00:00:00:00:09") };
    expect(event(rtm.newNeighbour, addNeighbour(neighbour).payload)).toMatchObject({ neighbour });
  });

  it("of a bridge about its port is not one about the link", () => {
    const port = linkHeader(7);
    port.writeUInt8(7, 0); // AF_BRIDGE
    expect(event(rtm.deleteLink, port)).toBeUndefined();
  });

  it("of any other type is left out", () => {
    expect(event(4711, Buffer.alloc(16))).toBeUndefined();
  });
});
