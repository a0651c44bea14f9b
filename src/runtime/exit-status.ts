// How a process ended.

/** `code` is 128 + the signal's number when a signal ended it, as shells count. */
export interface ExitStatus {
  readonly code: number;
  readonly at: Date;
}

/** What containerd and runc give when nobody was there to see the end. */
export const unknownExitCode = 255;
