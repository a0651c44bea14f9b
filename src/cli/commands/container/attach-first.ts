// Starting a container that somebody watches: attach and wait come first, so that no output and no exit is missed.

import type { Session } from "../../session.ts";
import { followTerminalSize, type StreamEnd, streamHijacked } from "../../terminal.ts";
import { waitForExit } from "../../wait.ts";

export interface Watch {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  readonly detachKeys: string;
  /** The daemon removes it when it ends, which is what to wait for then. */
  readonly autoRemove: boolean;
}

export interface Attached {
  /** Starts the container. Throws the daemon's refusal; then nothing is left open. */
  readonly start: () => Promise<void>;
  readonly stream: Promise<StreamEnd>;
  /** The exit code; 125 when the wait itself failed. */
  readonly status: Promise<number>;
  /** Ends the stream from this side. */
  readonly hangUp: () => void;
}

/** Attaches to a container that does not run yet, and waits for its exit. Throws the daemon's refusal to attach. */
export async function attachFirst(session: Session, id: string, watch: Watch): Promise<Attached> {
  const { stdin, stdout, stderr, tty, detachKeys, autoRemove } = watch;
  const query = { stream: true, stdin, stdout, stderr, detachKeys };
  const hijacked = await session.client.hijack(`/containers/${id}/attach`, { query });
  const stream = streamHijacked(session, { hijacked, stdin, stdout, stderr, tty, detachKeys });
  stream.catch(() => {}); // the caller looks at it once the container runs
  const { status } = await waitForExit(session, id, { untilRemoved: autoRemove });
  const hangUp = () => {
    hijacked.socket.destroy();
  };
  const start = async () => {
    try {
      await session.client.post(`/containers/${id}/start`);
    } catch (error) {
      hangUp();
      await stream.catch(() => {}); // it ends because we hung up
      if (autoRemove) await status;
      throw error;
    }
    if (tty && session.out.isTerminal) followTerminalSize(session, `/containers/${id}/resize`);
  };
  return { start, stream, status, hangUp };
}
