// Waiting for a container: to be not running, to exit the next time, to be removed.

import { EngineError } from "../util/errors.ts";
import type { Container } from "./container.ts";
import type { ContainerExit, PendingExit, WaitCondition } from "./types.ts";

/** Registers a waiter at once; its `exit` settles when the condition is met or rejects when the signal fires. */
export function waitFor(container: Container, condition: WaitCondition, signal: AbortSignal): PendingExit {
  const lastExit = (): ContainerExit => {
    const { exitCode, error } = container.record.state;
    return { statusCode: exitCode, ...(error !== "" && { error }) };
  };
  if (condition === "not-running" && !container.isRunning && !container.isRestarting) {
    return { exit: Promise.resolve(lastExit()) };
  }
  const exit = new Promise<ContainerExit>((resolve, reject) => {
    const take = condition === "removed" ? container.onRemoval(resolve) : container.onExit(resolve);
    const release =
      condition === "removed" ? () => undefined : container.onRemoval(() => resolve(lastExit()));
    signal.addEventListener(
      "abort",
      () => {
        take();
        release();
        reject(new EngineError("cancelled", "the client went away"));
      },
      { once: true },
    );
  });
  exit.catch(() => undefined);
  return { exit };
}
