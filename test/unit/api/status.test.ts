// Kinds of errors to HTTP statuses.

import { expect, test } from "vitest";
import { statusText } from "../../../src/api/containers/status.ts";
import type { ContainerState } from "../../../src/engine/types.ts";

const now = new Date("2026-11-01T12:00:00Z");
const state: ContainerState = {
  status: "running",
  pid: 1,
  exitCode: 0,
  error: "",
  oomKilled: false,
  startedAt: new Date("2026-11-01T11:59:57Z"),
  finishedAt: new Date("2026-11-01T11:58:00Z"),
};
const health = { failingStreak: 0, log: [] };
const { finishedAt: _, ...neverEnded } = state;

test.each<[ContainerState, string]>([
  [state, "Up 3 seconds"],
  [{ ...state, health: { status: "starting", ...health } }, "Up 3 seconds (health: starting)"],
  [{ ...state, health: { status: "healthy", ...health } }, "Up 3 seconds (healthy)"],
  [{ ...state, status: "paused" }, "Up 3 seconds (Paused)"],
  [{ ...state, status: "restarting", exitCode: 1 }, "Restarting (1) 2 minutes ago"],
  [{ ...state, status: "exited", exitCode: 137 }, "Exited (137) 2 minutes ago"],
  [{ ...neverEnded, status: "created" }, "Created"],
  [{ ...neverEnded, status: "exited" }, "Created"],
  [{ ...state, status: "removing" }, "Removal In Progress"],
  [{ ...state, status: "dead" }, "Dead"],
  [{ ...state, startedAt: new Date("2026-11-01T12:00:05Z") }, "Up Less than a second"],
])("%#: %j", (given, text) => {
  expect(statusText(given, now)).toBe(text);
});
