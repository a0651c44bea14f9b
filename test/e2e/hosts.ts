// Several hosts on one LAN, each with a daemon of its own: host1 at 192.0.2.1, host2 at 192.0.2.2, …

import { afterAll, beforeAll } from "vitest";
import { Lab, type LabHost } from "../lab/lab.ts";
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
    const lan = lab.segment("192.0.2.0/24", "2001:db8::/64");
    const hosts: LabHost[] = [];
    for (let number = 1; number <= count; number++) hosts.push(await lan.host(`host${number}`));
    return new Hosts(lab, hosts);
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
    const failures: unknown[] = [];
    for (const starting of this.#daemons.reverse()) {
      const daemon = await starting.catch(() => undefined); // whoever asked for it has heard why
      await daemon?.[Symbol.asyncDispose]().catch((error) => failures.push(error));
    }
    await this.lab[Symbol.asyncDispose]();
    if (failures.length > 0) throw failures[0];
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
