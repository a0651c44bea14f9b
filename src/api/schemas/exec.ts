// Exec on the wire.

import { boolean, integer, list, object, type Static, string, stringOrList } from "./decode.ts";

export const createExecRequest = object("ExecConfig", {
  User: string,
  Privileged: boolean,
  Tty: boolean,
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  DetachKeys: string,
  Env: list(string),
  WorkingDir: string,
  Cmd: stringOrList,
  /** Height, width. */
  ConsoleSize: list(integer),
});
export type CreateExecRequest = Static<typeof createExecRequest>;

export interface CreateExecResponse {
  readonly Id: string;
}

export const startExecRequest = object("ExecStartConfig", {
  Detach: boolean,
  Tty: boolean,
  ConsoleSize: list(integer),
});
export type StartExecRequest = Static<typeof startExecRequest>;

/** GET /exec/{id}/json. */
export interface ExecInspect {
  readonly ID: string;
  readonly Running: boolean;
  /** null until it has exited. */
  readonly ExitCode: number | null;
  readonly ProcessConfig: {
    readonly tty: boolean;
    readonly entrypoint: string;
    readonly arguments: readonly string[];
    readonly privileged: boolean;
    readonly user?: string;
  };
  readonly OpenStdin: boolean;
  readonly OpenStderr: boolean;
  readonly OpenStdout: boolean;
  readonly CanRemove: boolean;
  readonly ContainerID: string;
  readonly DetachKeys: string;
  readonly Pid: number;
}
