// Several hosts on one LAN, each with a daemon of its own: host1 at 192.0.2.1, host2 at 192.0.2.2, …

import { afterAll, beforeAll } from "vitest";
import { Lab, type LabHost } from "../lab/lab.ts";
import { everyStep } from "../lab/steps.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "./daemon.ts";
import { until } from "./run.ts";

export interface ClusterNode {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Role: string;
  readonly Status: string;
  readonly Self: boolean;
}

/** Owns hosts and daemons. */
export class Hosts implements AsyncDisposable {
  readonly lab: Lab;
  readonly hosts: readonly LabHost[];
  /** In the order in which they were asked for. */
  readonly #daemons: Promise<Daemon>[] = [];

  private constructor(lab: Lab, hosts: readonly LabHost[]) {
    this.lab = lab;
    this.hosts = hosts;
  }

  static async create(count: number): Promise<Hosts> {
    const lab = await Lab.create();
    try {
      const lan = lab.segment("192.0.2.0/24", "2001:db8::/64");
      const hosts: LabHost[] = [];
      for (let number = 1; number <= count; number++) hosts.push(await lan.host(`host${number}`));
      return new Hosts(lab, hosts);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  host(number: number): LabHost {
    const host = this.hosts[number - 1];
    if (!host) throw new Error(`there is no host${number}`);
    return host;
  }

  /** Starts a daemon on a host; who asks for it ends it. */
  async start(number: number, options: Omit<DaemonOptions, "host" | "hostname"> = {}): Promise<Daemon> {
    const host = this.host(number);
    return await startDaemon({ host, hostname: host.name, images: [], ...options });
  }

  /** The same; it ends with the hosts. Several may be asked for at once. */
  async keep(...args: Parameters<Hosts["start"]>): Promise<Daemon> {
    const starting = this.start(...args);
    this.#daemons.push(starting);
    return await starting;
  }

  /** Daemons end first, the last one before the others; all do, also when one of them fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ends = this.#daemons.reverse().map((starting) => async () => {
      const daemon = await starting.catch(() => undefined); // whoever asked for it has heard why
      await daemon?.[Symbol.asyncDispose]();
    });
    await everyStep(...ends, () => this.lab[Symbol.asyncDispose]());
  }
}

/** Hosts for all tests of a file. */
export function useHosts(count: number): () => Hosts {
  let hosts: Hosts | undefined;
  beforeAll(async () => {
    hosts = await Hosts.create(count);
  });
  afterAll(async () => await hosts?.[Symbol.asyncDispose]());
  return () => {
    if (!hosts) throw new Error("the hosts are not there yet");
    return hosts;
  };
}

/**
 * Removes what a test has made on hosts of one cluster, but for what is named, and waits until no host lists it: what is
 * made next has the same names. A daemon that a test ended is started first.
 */
export async function tidy(daemons: readonly Daemon[], stays: readonly string[] = []): Promise<void> {
  for (const daemon of daemons) if (daemon.hasEnded) await daemon.start();
  for (const listed of [containersOf, networksOf])
    await until("what the test made is gone", async () => {
      const made = await Promise.all(daemons.map(async (daemon) => await listed(daemon, stays)));
      for (const [at, paths] of made.entries())
        for (const path of paths) await daemons[at]?.api("DELETE", path);
      return made.flat().length === 0;
    });
}

async function containersOf(daemon: Daemon, stays: readonly string[]): Promise<string[]> {
  const all: { Id: string; Names: string[] }[] = await daemon.ask("GET", "/containers/json?all=1");
  const made = all.filter(({ Names }) => !Names.some((name) => stays.includes(name.slice(1))));
  return made.map(({ Id }) => `/containers/${Id}?force=1`);
}

/** The way out of overlays stays: the daemon made it. */
async function networksOf(daemon: Daemon, stays: readonly string[]): Promise<string[]> {
  const all: { Id: string; Name: string }[] = await daemon.ask("GET", "/networks");
  const others = ["bridge", "host", "none", "docker_gwbridge", ...stays];
  return all.filter(({ Name }) => !others.includes(Name)).map(({ Id }) => `/networks/${Id}`);
}

/** `host1 member up, host2 node down`, as a daemon sees it. */
export async function nodesOf(daemon: Daemon): Promise<string> {
  const nodes: ClusterNode[] = await daemon.ask("GET", "/cluster/nodes");
  return nodes.map(({ Name, Role, Status }) => `${Name} ${Role} ${Status}`).join(", ");
}

/** Waits until a daemon sees these. @throws with what it sees */
export async function untilNodes(daemon: Daemon, wanted: string, timeoutMs = 30_000): Promise<void> {
  let seen = "";
  await until(
    `the hosts are ${wanted}`,
    async () => {
      seen = await nodesOf(daemon);
      return seen === wanted;
    },
    timeoutMs,
  ).catch((error) => {
    throw new Error(`${error}; they are ${seen}`);
  });
}
