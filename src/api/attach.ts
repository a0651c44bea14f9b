// Carrying an attach session over a taken connection: the client's bytes to stdin, the process's output back.

import type { AttachSession } from "../engine/types.ts";
import { errorMessage } from "../util/errors.ts";
import type { Connection } from "./connection.ts";
import { watchForDetach } from "./detach-keys.ts";
import { errorBytes, outputBytes } from "./frames.ts";

export interface AttachCarry {
  readonly session: AttachSession;
  /** Undefined: none. They work on terminals only. */
  readonly detachKeys: Uint8Array | undefined;
}

/** Carries until the process's output ends, the detach keys were typed, or the client is gone. The head must have been sent. */
export async function carryAttach(
  connection: Connection,
  { session, detachKeys }: AttachCarry,
): Promise<void> {
  connection.signal.addEventListener("abort", () => session.detach("gone"), { once: true });
  if (connection.signal.aborted) session.detach("gone");
  carryInput(connection, session, detachKeys);
  try {
    for await (const chunk of session.output) await connection.write(outputBytes(chunk, session.tty));
  } catch (error) {
    await connection.write(errorBytes(errorMessage(error), session.tty));
  }
  session.detach("gone");
  connection.end();
}

function carryInput(
  connection: Connection,
  session: AttachSession,
  detachKeys: Uint8Array | undefined,
): void {
  const from = connection.input;
  // what nobody wants is read and dropped, so that the client's half-close and its end are seen
  if (!session.input) {
    from.resume();
    return;
  }
  const keys = session.tty && detachKeys?.length ? detachKeys : undefined;
  const typed = keys ? from.pipe(watchForDetach(keys, () => session.detach("keys"))) : from;
  typed.pipe(session.input);
  // a process may close its stdin or end while the client still types: no reason to end its output
  session.input.on("error", ignore);
  session.input.once("close", () => {
    from.unpipe();
    from.resume();
  });
}

const ignore = () => undefined;
