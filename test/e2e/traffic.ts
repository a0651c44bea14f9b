// Traffic that goes on while something is done to what carries it: nothing of it may be lost.

import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { LabHost } from "../lab/lab.ts";
import { until } from "./run.ts";

export type Flow =
  /** One connection, a byte every few milliseconds there and back. */
  | { readonly kind: "tcp"; readonly address: string; readonly port: number }
  /** A datagram every few milliseconds there and back. */
  | { readonly kind: "udp"; readonly address: string; readonly port: number }
  /** One short connection after the other. */
  | { readonly kind: "connects"; readonly address: string; readonly port: number }
  /** One question after the other to 127.0.0.11. */
  | { readonly kind: "dns"; readonly name: string };

export interface Tally {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  /** The first few. */
  readonly failures: readonly string[];
}

interface Running {
  readonly id: string;
  readonly agent: Agent;
}

/** Owns the processes that send and answer. */
export class Traffic implements AsyncDisposable {
  readonly #agents = new Map<LabHost, Agent>();
  readonly #flows: Running[] = [];

  /** Answers everything on a port of a host, tcp and udp. */
  async serve(host: LabHost, port: number): Promise<void> {
    await this.#agent(host).call("echo", { port });
  }

  async start(host: LabHost, flow: Flow): Promise<void> {
    const agent = this.#agent(host);
    const what = flow.kind === "dns" ? flow.name : `${flow.address} ${flow.port}`;
    const id = `${host.name}: ${flow.kind} ${what}`;
    await agent.call("start", { ...flow, id });
    this.#flows.push({ id, agent });
  }

  /** Resolves when every flow has had this many more answers. */
  async flows(answers: number): Promise<void> {
    const progress = () => Promise.all(this.#flows.map(({ id, agent }) => agent.call("progress", { id })));
    const before = await progress();
    await until(
      `${answers} more answers for each flow`,
      async () => (await progress()).every((now, at) => Number(now) - Number(before[at]) >= answers),
      30_000,
    );
  }

  /** Ends all flows; what each of them has to tell. */
  async stop(): Promise<Record<string, Tally>> {
    const flows = this.#flows.splice(0);
    const tallies = await Promise.all(
      flows.map(async ({ id, agent }) => [id, (await agent.call("stop", { id })) as Tally] as const),
    );
    return Object.fromEntries(tallies);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.close()));
  }

  #agent(host: LabHost): Agent {
    const agent = this.#agents.get(host) ?? new Agent(host);
    this.#agents.set(host, agent);
    return agent;
  }
}

/** The flows that lost something. */
export function losses(tallies: Readonly<Record<string, Tally>>): Record<string, Tally> {
  const lossy = Object.entries(tallies).filter(
    ([, { sent, answered, failed }]) => failed > 0 || answered !== sent,
  );
  return Object.fromEntries(lossy);
}

class Agent {
  readonly #process: ChildProcess;
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (reason: Error) => void }>();
  readonly #ended: Promise<void>;
  #next = 0;

  constructor(host: LabHost) {
    this.#process = host.spawn(process.execPath, [join(import.meta.dirname, "traffic.mjs"), host.netns], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#ended = new Promise((resolve) => this.#process.once("exit", () => resolve()));
    this.#process.on("message", (message) => {
      const { call, value, error } = message as { call: number; value?: unknown; error?: string };
      const waiting = this.#calls.get(call);
      this.#calls.delete(call);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
  }

  async call(operation: string, request: object): Promise<unknown> {
    const call = ++this.#next;
    return await new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject });
      this.#process.send({ call, operation, request });
    });
  }

  async close(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    await this.#ended;
  }
}
