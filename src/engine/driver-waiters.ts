// Containers whose restart policy wants them, and whose network's driver is a program that is not there yet: as soon as it
// is they start, unless somebody takes them in hand first.

import { errorMessage } from "../util/errors.ts";
import { isWanted } from "./cluster-waiters.ts";
import type { Container } from "./container.ts";
import type { EngineContext } from "./parts.ts";
import { startContainer } from "./start.ts";

/** A file that says where a plugin is may be anywhere: no folder tells of all of them. */
const sometimesMs = 5_000;

/** Its start has failed. If drivers are missing it is started when they come; else nothing happens. */
export function startWithDrivers(context: EngineContext, container: Container): void {
  const { controller, events, log } = context;
  const drivers = awayDrivers(context, container);
  if (drivers.length === 0) return;
  const [driver = ""] = drivers;
  log.warn({ container: container.id, driver }, "a container waits for its network's driver");
  events.publish("container", "wait-driver", container.id, { name: container.name, driver });
  let isTrying = false;
  let hasNews = false;
  const tryNow = async () => {
    hasNews = true;
    if (isTrying) return;
    isTrying = true;
    // a socket that appears during a try, which may have been too early for it, is worth another one
    while (hasNews) {
      hasNews = false;
      if (!isWanted(context, container) || (await isOver(context, container))) return end();
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

/** Tries to start it. False: it goes on waiting. */
async function isOver(context: EngineContext, container: Container): Promise<boolean> {
  try {
    await startContainer(context, container);
    return true;
  } catch (error) {
    if (awayDrivers(context, container).length > 0) return false;
    const fields = { container: container.id, reason: errorMessage(error) };
    context.log.warn(fields, "cannot start a container again");
    return true;
  }
}

function awayDrivers({ controller }: EngineContext, { record }: Container): readonly string[] {
  return controller.awayDrivers(record.spec.endpoints.map(({ network }) => network));
}
