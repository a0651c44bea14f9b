// The words of `docker ps` for a container's state.

import type { ContainerState } from "../../engine/types.ts";
import { humanDuration } from "../time.ts";

/** `Up 3 seconds (healthy)`, `Exited (0) 2 minutes ago`, `Created`; see moby's container/state.go. */
export function statusText(state: ContainerState, now: Date): string {
  const since = (date: Date | undefined) =>
    humanDuration(Math.max(0, now.getTime() - (date?.getTime() ?? 0)));
  switch (state.status) {
    case "running":
      return `Up ${since(state.startedAt)}${healthText(state)}`;
    case "paused":
      return `Up ${since(state.startedAt)} (Paused)`;
    case "restarting":
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case "removing":
      return "Removal In Progress";
    case "dead":
      return "Dead";
    case "created":
      return "Created";
    case "exited":
      return state.finishedAt ? `Exited (${state.exitCode}) ${since(state.finishedAt)} ago` : "Created";
  }
}

function healthText({ health }: ContainerState): string {
  if (!health) return "";
  return health.status === "starting" ? " (health: starting)" : ` (${health.status})`;
}
