// Waiting for a container's end.

import { errorMessage } from "../util/errors.ts";
import { parseJson } from "./client/json.ts";
import { collect } from "./client/response.ts";
import type { Session } from "./session.ts";
import type { WaitResult } from "./wire.ts";

/**
 * Asks for the next exit, or removal. Resolves once the daemon is listening (its head is there), so that the container
 * may be started; `status` then becomes the exit code, 125 when the wait itself failed.
 */
export async function waitForExit(
  session: Session,
  id: string,
  options: { untilRemoved: boolean },
): Promise<{ status: Promise<number> }> {
  const condition = options.untilRemoved ? "removed" : "next-exit";
  const response = session.client.send("POST", `/containers/${id}/wait`, { query: { condition } });
  const status = response.then(async ({ body }) => {
    const result = parseJson(await collect(body)) as WaitResult;
    if (!result.Error) return result.StatusCode;
    session.err.line(`Error waiting for container: ${result.Error.Message}`);
    return 125;
  });
  const safe = status.catch((error: unknown) => {
    session.err.line(`error waiting for container: ${errorMessage(error)}`);
    return 125;
  });
  await response.catch(() => {}); // told by `safe`
  return { status: safe };
}
