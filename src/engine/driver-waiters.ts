// Containers whose restart policy wants them, and whose network's driver is a program that is not there yet: as soon as it
// is they start, unless somebody takes them in hand first.

import { errorKind, errorMessage } from "../util/errors.ts";
import { isWanted } from "./cluster-waiters.ts";
import type { Container } from "./container.ts";
import type { EngineContext } from "./parts.ts";
import { startContainer } from "./start.ts";

/** A file that says where a plugin is may be anywhere: no folder tells of all of them. */
const sometimesMs = 5_000;
/** How often a start may fail of what is not there, while all drivers are. */
const mostDoubts = 3;

/** Its start has failed. If drivers are missing it is started when they come; else nothing happens. */
export function startWithDrivers(context: EngineContext, container: Container, error: unknown): void {
  const { controller, events, log } = context;
  const [driver] = awayDrivers(context, container);
  if (driver === undefined && errorKind(error) !== "unavailable") return;
  if (driver !== undefined) {
    log.warn({ container: container.id, driver }, "a container waits for its network's driver");
    events.publish("container", "wait-driver", container.id, { name: container.name, driver });
  }
  let isTrying = false;
  let hasNews = false;
  let doubts = 0;
  const tryNow = async () => {
    hasNews = true;
    if (isTrying) return;
    isTrying = true;
    // a socket that appears during a try, which may have been too early for it, is worth another one
    while (hasNews) {
      hasNews = false;
      if (!isWanted(context, container)) return end();
      const error = await startError(context, container);
      if (!error) return end();
      if (awayDrivers(context, container).length > 0) continue;
      // it may have come, and answered somebody else, after it was missed here
      hasNews = errorKind(error.reason) === "unavailable" && ++doubts <= mostDoubts;
      if (hasNews) continue;
      const fields = { container: container.id, reason: errorMessage(error.reason) };
      log.warn(fields, "cannot start a container again");
      return end();
    }
    isTrying = false;
  };
  const timer = setInterval(tryNow, sometimesMs).unref();
  const stop = controller.followDrivers(() => void tryNow());
  const end = () => {
    clearInterval(timer);
    stop();
  };
  // one that has appeared while that start failed nobody tells of again
  void tryNow();
}

/** Starts it. Undefined: it runs. */
async function startError(
  context: EngineContext,
  container: Container,
): Promise<{ readonly reason: unknown } | undefined> {
  try {
    await startContainer(context, container);
    return undefined;
  } catch (reason) {
    return { reason };
  }
}

function awayDrivers({ controller }: EngineContext, { record }: Container): readonly string[] {
  return controller.awayDrivers(record.spec.endpoints.map(({ network }) => network));
}
