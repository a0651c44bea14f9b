// What a user can say of an ipvlan network, read once from `-o key=value` into a value.

import type { CreateNetworkRequest, NetworkOptions } from "../../src/driverapi/index.ts";
import {
  type ChildNetworkConfig,
  checkChildOptions,
  readChildConfig,
  readChildMode,
} from "../../src/driverkit/index.ts";

/** An ipvlan network as the user wants it. */
export interface IpvlanConfig extends ChildNetworkConfig {
  readonly mode: IpvlanMode;
  readonly flag: IpvlanFlag;
}

export type IpvlanMode = "l2" | "l3" | "l3s";
export type IpvlanFlag = "bridge" | "private" | "vepa";

export const optionNames = { mode: "ipvlan_mode", flag: "ipvlan_flag" } as const;

const known = { driver: "ipvlan", own: Object.values(optionNames) };

/** @throws invalid for an option that does not exist, or a value that it cannot have */
export function readIpvlanConfig(request: CreateNetworkRequest): IpvlanConfig {
  const { generic } = request.options;
  return { ...readChildConfig(request, known), mode: readMode(generic), flag: readFlag(generic) };
}

/** The same before there are subnets. @throws invalid */
export function checkOptions({ generic }: NetworkOptions): void {
  checkChildOptions(generic, known);
  readMode(generic);
  readFlag(generic);
}

function readMode(generic: NetworkOptions["generic"]): IpvlanMode {
  const words = ["l2", "l3", "l3s"] as const;
  return readChildMode(generic, optionNames.mode, { words, what: "ipvlan mode" });
}

function readFlag(generic: NetworkOptions["generic"]): IpvlanFlag {
  const words = ["bridge", "private", "vepa"] as const;
  return readChildMode(generic, optionNames.flag, { words, what: "ipvlan flag" });
}
