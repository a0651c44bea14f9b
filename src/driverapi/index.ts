// The public contract of drivers, exported as `tsdocker/driverapi`: types and their documentation only.

export type {
  Change,
  ClusterAccess,
  ClusterNode,
  Entry,
  OwnRecords,
  OwnRecordsOptions,
  SharedTable,
  SharedTransaction,
} from "../cluster/index.ts";
export type { Antispoof, ForwardingRule, GuardRule, HostAccess, OpenRule } from "../firewall/rules.ts";
export * from "./cluster-stay.ts";
export * from "./driver.ts";
export * from "./host.ts";
export * from "./ipam.ts";
export * from "./module.ts";
export * from "./requests.ts";
export * from "./values.ts";
