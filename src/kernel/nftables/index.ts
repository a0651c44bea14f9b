// nftables over netlink: values in, one atomic transaction out. No text of any command is written or parsed.

export { setBalance } from "./balance.ts";
export { type BalancedService, balanceElements, balanceRequests, balanceTable } from "./balance-table.ts";
export { isMadeBy, type TableDump } from "./compare.ts";
export type { ChainState, RuleState, SetState, TableState } from "./decode.ts";
export { type DnsRedirect, dnsRedirectRequests, setDnsRedirect } from "./dns-redirect.ts";
export { elementChanges } from "./element-changes.ts";
export * from "./expression.ts";
export * from "./field.ts";
export { type Ingress, setIngress } from "./ingress.ts";
export { type IngressPort, ingressElements, ingressRequests } from "./ingress-table.ts";
export { nftablesGroup, tableFlag } from "./numbers.ts";
export * from "./request.ts";
export { type Nftables, openNftables } from "./socket.ts";
export * from "./values.ts";
export { type RulesetEvent, watchNftables } from "./watch.ts";
