// Linux in Linux's words. nftables/ and iptables/ are rooms of their own below this folder.

export { hasCode } from "../util/errors.ts";
export {
  type AddressFilter,
  type AddressSpec,
  addAddress,
  deleteAddress,
  type LinkAddress,
  type Scope,
} from "./address.ts";
export type { Answer, Outcome } from "./batch.ts";
export * as bpf from "./bpf/index.ts";
export * from "./bridge.ts";
export { hasLinkKind } from "./child-link.ts";
export {
  Attributes,
  align,
  Encoder,
  eachAttribute,
  type Message,
  nlmFlag,
  nlmType,
} from "./codec.ts";
export {
  type Conntrack,
  type ConntrackChoice,
  deleteConntrack,
  listConntrack,
  openConntrack,
} from "./conntrack.ts";
export type { ConntrackEntry, ConntrackFilter, ConntrackTuple } from "./conntrack-messages.ts";
export { createDummy, type DummySpec } from "./dummy.ts";
export * from "./echo.ts";
export { errorCode, KernelError, NetlinkError, unless } from "./errors.ts";
export { FakeNetlink } from "./fake-netlink.ts";
export * from "./fd-channel.ts";
export { addFdb, deleteFdb, type FdbEntry, type FdbMode, type FdbSpec } from "./fdb.ts";
export { announcement, sendFrames } from "./frames.ts";
export { createIpvlan, type IpvlanFlag, type IpvlanMode, type IpvlanSpec } from "./ipvlan.ts";
export {
  deleteLink,
  deleteLinkGroup,
  type Link,
  type LinkChange,
  type LinkFilter,
  type LinkStats,
  setLink,
} from "./link.ts";
export { createMacvlan, type MacvlanSpec, setMacvlanMode } from "./macvlan.ts";
export type { MacvlanMode } from "./macvlan-attributes.ts";
export {
  addNeighbour,
  deleteNeighbour,
  type Neighbour,
  type NeighbourFilter,
  type NeighbourSpec,
  neighbourState,
} from "./neighbour.ts";
export { type Netlink, openNetlink } from "./netlink.ts";
export { type NetlinkSocket, netlinkProtocol, openNetlinkSocket } from "./netlink-socket.ts";
export { type Watch, type WatchSpec, watchNetlink } from "./netlink-watch.ts";
export * from "./netns.ts";
export * from "./parked.ts";
export type { Request } from "./request.ts";
export {
  addRoute,
  deleteRoute,
  type Route,
  type RouteFilter,
  type RouteSpec,
  type RouteType,
  routeTable,
} from "./route.ts";
export { linksTowards, lookUpRoute, routeLinks } from "./route-lookup.ts";
export type { LinkRef } from "./rtnetlink.ts";
export { addRule, deleteRule, type RuleSpec } from "./rule.ts";
export * from "./socket.ts";
export { readSysctl, type Sysctl, writeSysctl, writeSysctls } from "./sysctl.ts";
export * from "./system.ts";
export * from "./veth.ts";
export { createVlan, type VlanSpec } from "./vlan.ts";
export * from "./vxlan.ts";
export type { VxlanState } from "./vxlan-attributes.ts";
export { type NetworkEvent, type WatchedKind, watchLinks } from "./watch.ts";
export { type EspLack, lackOfEsp } from "./xfrm.ts";
export * from "./xfrm-association.ts";
export { type XfrmSelector, xfrmGroup, xfrmMessage } from "./xfrm-layout.ts";
export * from "./xfrm-policy.ts";
