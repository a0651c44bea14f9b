// --restart.

import { cut } from "./checks.ts";

export interface RestartPolicy {
  readonly Name: string;
  readonly MaximumRetryCount: number;
}

/** `no`, `always`, `unless-stopped`, `on-failure[:count]`; the daemon judges the name. */
export function parseRestart(policy: string): RestartPolicy {
  const { before: name, after: count, found } = cut(policy, ":");
  if (found && name === "") throw new Error("invalid restart policy format: no policy provided before colon");
  if (count !== "" && !/^[+-]?\d+$/.test(count)) {
    throw new Error("invalid restart policy format: maximum retry count must be an integer");
  }
  return { Name: name, MaximumRetryCount: Number(count) };
}
