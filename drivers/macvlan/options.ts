// What a user can say of a macvlan network, read once from `-o key=value` into a value.

import type { CreateNetworkRequest, NetworkOptions } from "../../src/driverapi/index.ts";
import {
  type ChildNetworkConfig,
  checkChildOptions,
  readChildConfig,
  readChildMode,
} from "../../src/driverkit/index.ts";

/** A macvlan network as the user wants it. */
export interface MacvlanConfig extends ChildNetworkConfig {
  readonly mode: MacvlanMode;
}

export type MacvlanMode = "bridge" | "private" | "vepa" | "passthru";

export const optionNames = { mode: "macvlan_mode" } as const;

const known = { driver: "macvlan", own: Object.values(optionNames) };

/** @throws invalid for an option that does not exist, or a value that it cannot have */
export function readMacvlanConfig(request: CreateNetworkRequest): MacvlanConfig {
  return { ...readChildConfig(request, known), mode: readMode(request.options) };
}

/** The same before there are subnets. @throws invalid */
export function checkOptions(options: NetworkOptions): void {
  checkChildOptions(options.generic, known);
  readMode(options);
}

function readMode({ generic }: NetworkOptions): MacvlanMode {
  const words = ["bridge", "private", "vepa", "passthru"] as const;
  return readChildMode(generic, optionNames.mode, { words, what: "macvlan mode" });
}
