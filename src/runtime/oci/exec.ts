// The process document of an exec: the container's own, changed by what the exec asks for.

import { capabilitySets } from "./capabilities.ts";
import { replaceVariables } from "./environment.ts";
import type { OciProcess, OciUser } from "./schema.ts";
import type { HostFacts } from "./spec-input.ts";

export interface ExecInput {
  readonly args: readonly string[];
  /** Added to the container's environment. */
  readonly env: readonly string[];
  /** Absent: the container's. */
  readonly cwd?: string;
  /** Absent: the container's. */
  readonly user?: OciUser;
  readonly terminal: boolean;
  readonly consoleSize?: { readonly width: number; readonly height: number };
  readonly privileged: boolean;
}

/** `container` is the process of the container's specification. */
export function buildExecProcess(
  container: OciProcess,
  exec: ExecInput,
  host: Pick<HostFacts, "capabilities">,
): OciProcess {
  const { consoleSize: _size, oomScoreAdj: _score, ...inherited } = container;
  const user = exec.user ?? container.user;
  const bounding = exec.privileged ? host.capabilities : (container.capabilities?.bounding ?? []);
  const terminal = exec.terminal ? ["TERM=xterm"] : [];
  return {
    ...inherited,
    terminal: exec.terminal,
    ...(exec.consoleSize && { consoleSize: exec.consoleSize }),
    user,
    args: exec.args,
    env: replaceVariables(container.env, [...terminal, ...exec.env]),
    cwd: exec.cwd || container.cwd,
    capabilities: capabilitySets(bounding, user.uid),
  };
}
