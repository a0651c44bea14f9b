// One daemon per test file, on a host of a LAN with a neighbour.

import { afterAll, beforeAll } from "vitest";
import { Lab, type LabHost } from "../lab/lab.ts";
import { everyStep } from "../lab/steps.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "./daemon.ts";

export interface Site {
  readonly lab: Lab;
  /** Where the daemon runs: 192.0.2.1, 2001:db8::1. */
  readonly host: LabHost;
  /** Another machine on the LAN: 192.0.2.2, 2001:db8::2. */
  readonly peer: LabHost;
  readonly daemon: Daemon;
}

/** Builds the site before the file's tests, and after them checks that the daemon leaves nothing. */
export function useSite(options: Omit<DaemonOptions, "host"> = {}): () => Site {
  let site: Site | undefined;
  beforeAll(async () => {
    const lab = await Lab.create();
    try {
      const lan = lab.segment("192.0.2.0/24", "2001:db8::/64");
      const [host, peer] = [await lan.host("host"), await lan.host("peer")];
      site = { lab, host, peer, daemon: await startDaemon({ host, ...options }) };
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  });
  afterAll(async () => {
    if (!site) return;
    const { daemon, lab } = site;
    await everyStep(
      () => daemon[Symbol.asyncDispose](),
      () => lab[Symbol.asyncDispose](),
    );
  });
  return () => {
    if (!site) throw new Error("the site is not built yet");
    return site;
  };
}
