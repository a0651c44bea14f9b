// The firewall: rules as keyed values in, kernel state out. Owners say what they want, back ends make it so.

export { createFirewall, type FirewallOptions } from "./create.ts";
export { firewallOn, type OwnedFirewall } from "./firewall.ts";
export { createGuards, type GuardsMaker } from "./guards.ts";
export * from "./rules.ts";
export type { EncryptionWish, Seal, SealedTarget, SealPlan } from "./tunnel-seals.ts";
export { createTunnelGuard, type OwnedTunnelGuard, type TunnelGuard, type TunnelWish } from "./tunnels.ts";
