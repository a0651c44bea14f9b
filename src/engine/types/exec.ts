// Further processes in a running container.

import type { AttachSession, TerminalSize } from "./stream.ts";

export interface ExecSpec {
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly user?: string;
  readonly workingDir?: string;
  readonly privileged: boolean;
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly consoleSize?: TerminalSize;
  /** As given; the API watches for them. */
  readonly detachKeys?: string;
}

export interface ExecView {
  readonly id: string;
  readonly containerId: string;
  readonly spec: ExecSpec;
  readonly running: boolean;
  /** Absent until it has exited. */
  readonly exitCode?: number;
  /** 0 when it does not run. */
  readonly pid: number;
  readonly canRemove: boolean;
}

export interface ExecOperations {
  /** Errors: conflict when the container is paused or does not run. */
  create(containerRef: string, spec: ExecSpec): Promise<string>;
  inspect(id: string): Promise<ExecView>;
  /** Starts it with its streams. The session's output ends with the process. Errors: conflict when it was started before. */
  start(id: string, request: ExecStart, signal: AbortSignal): Promise<AttachSession>;
  /** Starts it and answers when it runs; its output goes nowhere. */
  startDetached(id: string): Promise<void>;
  resize(id: string, size: TerminalSize): Promise<void>;
}

export interface ExecStart {
  readonly tty: boolean;
  readonly consoleSize?: TerminalSize;
}
