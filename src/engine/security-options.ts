// `--security-opt` as values.

import { invalid, notImplemented } from "../util/errors.ts";

export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** `unconfined`, `builtin`, or a profile's JSON text. */
  readonly seccomp: string | undefined;
}

/** @throws invalid on an unknown option, not-implemented on one that this host cannot honour */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let noNewPrivileges = false;
  let seccomp: string | undefined;
  for (const option of options) {
    if (option === "no-new-privileges" || option === "disable") {
      noNewPrivileges ||= option === "no-new-privileges";
      continue;
    }
    const [, key, value = ""] = /^([a-z-]+)[=:](.*)$/s.exec(option) ?? [];
    if (key === undefined) throw invalid(`invalid --security-opt 1: ${JSON.stringify(option)}`);
    switch (key) {
      case "no-new-privileges":
        if (value !== "true" && value !== "false") throw invalid(`invalid --security-opt 2: "${option}"`);
        noNewPrivileges = value === "true";
        break;
      case "seccomp":
        seccomp = value;
        break;
      case "label":
      case "systempaths":
        break;
      case "apparmor":
        if (value !== "unconfined") throw notImplemented(`apparmor=${value}: this kernel has no AppArmor`);
        break;
      default:
        throw invalid(`invalid --security-opt 2: "${option}"`);
    }
  }
  return { noNewPrivileges, seccomp };
}
