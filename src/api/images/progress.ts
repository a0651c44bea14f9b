// Progress streams: pull, push, load, import.

import type { Progress } from "../../engine/types.ts";
import { errorMessage } from "../../util/errors.ts";
import type { Call } from "../call.ts";
import { type Answer, streamed } from "../route.ts";

/**
 * One JSON object a line. An error before the first one is thrown, and becomes the status; a later one becomes the last line,
 * since by then 200 is sent.
 */
export async function sendProgress(
  call: Call,
  progress: Progress,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const messages = progress[Symbol.asyncIterator]();
  let next = await messages.next();
  const stream = call.openStream("application/json", headers);
  try {
    for (; !next.done; next = await messages.next()) await stream.writeJson(next.value);
  } catch (error) {
    const message = errorMessage(error);
    await stream.writeJson({ errorDetail: { message }, error: message });
  }
  stream.end();
  return streamed;
}
