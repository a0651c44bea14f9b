// Changes of links, addresses, routes, neighbours and forwarding entries in one namespace, as they happen.

import { decodeLinkAddress, type LinkAddress } from "./address.ts";
import type { Message } from "./codec.ts";
import { decodeFdb, type FdbEntry } from "./fdb.ts";
import { decodeLink, type Link } from "./link.ts";
import { decodeNeighbour, type Neighbour } from "./neighbour.ts";
import { netlinkProtocol } from "./netlink-socket.ts";
import { type Watch, watchNetlink } from "./netlink-watch.ts";
import { decodeRoute, type Route } from "./route.ts";
import { addressFamily, rtm } from "./rtnetlink.ts";

/** One change; `gone` = deleted, else new or changed. */
export type NetworkEvent =
  | { readonly kind: "link"; readonly gone: boolean; readonly link: Link }
  | { readonly kind: "address"; readonly gone: boolean; readonly address: LinkAddress }
  | { readonly kind: "route"; readonly gone: boolean; readonly route: Route }
  | { readonly kind: "neighbour"; readonly gone: boolean; readonly neighbour: Neighbour }
  /** An entry of a bridge's or a VXLAN link's forwarding database. */
  | { readonly kind: "fdb"; readonly gone: boolean; readonly entry: FdbEntry }
  /** Events were lost: look at everything again. */
  | { readonly kind: "lost" };

export type WatchedKind = "link" | "address" | "route" | "neighbour" | "fdb";

/** RTNLGRP_* of each kind, both families. */
const groups: Readonly<Record<WatchedKind, readonly number[]>> = {
  link: [1],
  neighbour: [3],
  fdb: [3],
  address: [5, 9],
  route: [7, 11],
};

/** Calls `listener` for every change from the moment it resolves; keeps the process alive until it is closed. */
export function watchLinks(
  netns: string | undefined,
  listener: (event: NetworkEvent) => void,
  kinds: readonly WatchedKind[] = ["link", "address", "route"],
): Promise<Watch> {
  return watchNetlink({
    protocol: netlinkProtocol.route,
    netns,
    groups: [...new Set(kinds.flatMap((kind) => groups[kind]))],
    messages: (messages) => {
      for (const event of messages.map(decodeEvent))
        if (event && (event.kind === "lost" || kinds.includes(event.kind))) listener(event);
    },
    lost: () => listener({ kind: "lost" }),
  });
}

/** Undefined for messages of no interest. */
export function decodeEvent({ type, payload }: Message): NetworkEvent | undefined {
  switch (type) {
    case rtm.newLink:
    case rtm.deleteLink:
      // a bridge tells of its ports in link messages of its own family: "deleted" there means left the bridge
      if (payload.readUInt8(0) !== addressFamily.unspecified) return undefined;
      return { kind: "link", gone: type === rtm.deleteLink, link: decodeLink(payload) };
    case rtm.newAddress:
    case rtm.deleteAddress: {
      const address = decodeLinkAddress(payload);
      return address && { kind: "address", gone: type === rtm.deleteAddress, address };
    }
    case rtm.newRoute:
    case rtm.deleteRoute: {
      const route = decodeRoute(payload);
      return route && { kind: "route", gone: type === rtm.deleteRoute, route };
    }
    case rtm.newNeighbour:
    case rtm.deleteNeighbour: {
      const gone = type === rtm.deleteNeighbour;
      const entry = decodeFdb(payload);
      if (entry) return { kind: "fdb", gone, entry };
      const neighbour = decodeNeighbour(payload);
      return neighbour && { kind: "neighbour", gone, neighbour };
    }
    default:
      return undefined;
  }
}
