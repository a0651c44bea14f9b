// When an ended container is started again, and how soon.

import type { Container } from "./container.ts";

const firstDelayMs = 100;
const longestDelayMs = 60_000;
/** A life at least this long starts the delays over. */
const goodLifeMs = 10_000;

/** Whether the policy starts the container again after it ended with `exitCode`. */
export function shouldRestart(container: Container, exitCode: number): boolean {
  if (container.stopRequested || container.removing) return false;
  const { restartPolicy } = container.record.spec;
  switch (restartPolicy.name) {
    case "always":
    case "unless-stopped":
      return true;
    case "on-failure":
      return (
        exitCode !== 0 &&
        (restartPolicy.maximumRetryCount === 0 ||
          container.record.restartCount < restartPolicy.maximumRetryCount)
      );
    case "no":
      return false;
  }
}

/** Milliseconds until the next start: doubling from 100 to a minute, from the beginning after a life of 10 s. */
export function restartDelay(lastDelayMs: number, livedMs: number): number {
  if (lastDelayMs === 0 || livedMs >= goodLifeMs) return firstDelayMs;
  return Math.min(lastDelayMs * 2, longestDelayMs);
}

/** Whether a container is started when the daemon starts. */
export function startsWithDaemon({ record }: Container, wasRunning: boolean): boolean {
  // the last daemon ended before it got to it
  if (record.willRestart) return true;
  switch (record.spec.restartPolicy.name) {
    case "always":
      return record.state.phase !== "created";
    case "unless-stopped":
      return record.state.phase !== "created" && !record.stoppedByHand;
    case "on-failure":
      return wasRunning && record.state.exitCode !== 0;
    case "no":
      return false;
  }
}
