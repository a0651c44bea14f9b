// --security-opt.

import { readFileSync } from "node:fs";
import { errorMessage } from "../../util/errors.ts";
import { compactJson } from "../client/json.ts";
import { quote } from "../flags/numbers.ts";
import { cut } from "./checks.ts";
import { goFileError } from "./key-values.ts";

/** A seccomp profile is read here and sent whole; systempaths=unconfined is told by other fields. */
export function parseSecurity(options: readonly string[]): {
  securityOpt: string[];
  unconfinedPaths: boolean;
} {
  const securityOpt = options.filter((option) => option !== "systempaths=unconfined").map(securityOption);
  return { securityOpt, unconfinedPaths: securityOpt.length < options.length };
}

function securityOption(option: string): string {
  const byEquals = cut(option, "=");
  const { before: key, after: value } = byEquals.found ? byEquals : cut(option, ":");
  if (key === "no-new-privileges") return option;
  if (value === "") throw new Error(`Invalid --security-opt: ${quote(option)}`);
  if (key !== "seccomp" || value === "builtin" || value === "unconfined") return option;
  return `seccomp=${seccompProfile(value)}`;
}

function seccompProfile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`opening seccomp profile (${path}) failed: ${goFileError("open", path, error).message}`);
  }
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Error(`compacting json for seccomp profile (${path}) failed: ${errorMessage(error)}`);
  }
  return compactJson(text);
}
