// CNI plugins without a kernel: programs that write down what they are told and answer as a test wishes.

import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { onTestFinished } from "vitest";
import createCniDriver from "../../../drivers/cni/index.ts";
import type { Host, NetworkDriver, ProgramEnd, ProgramOptions } from "../../../src/driverapi/index.ts";
import { createFakeHost } from "./fake-host.ts";

/** One run of a plugin. */
export interface Told {
  readonly type: string;
  readonly command: string;
  readonly env: ProgramOptions["env"];
  // biome-ignore lint/suspicious/noExplicitAny: tests look into configurations of every shape
  readonly conf: any;
}

export const netns = "/run/netns/c1";

/** What a first plugin answers to ADD. */
export const result = {
  cniVersion: "1.0.0",
  interfaces: [
    { name: "cni0", mac: "02:00:00:00:00:01" },
    { name: "eth0", mac: "02:00:00:00:00:09", sandbox: netns },
  ],
  ips: [
    { address: "10.1.0.9/24", gateway: "10.1.0.1", interface: 1 },
    { address: "2001:db8:1::9/64", gateway: "2001:db8:1::1", interface: 1 },
  ],
  routes: [
    { dst: "0.0.0.0/0" },
    { dst: "::/0", gw: "2001:db8:1::1" },
    { dst: "10.2.0.0/16", gw: "10.1.0.7" },
  ],
  dns: { nameservers: ["10.1.0.53"] },
};

export class CniWorld {
  readonly folder = mkdtempSync(join(tmpdir(), "tsdocker-cni-"));
  readonly told: Told[] = [];
  readonly host: ReturnType<typeof createFakeHost> & Host;
  driver: NetworkDriver;
  versions = ["0.3.1", "0.4.0", "1.0.0"];
  /** What a plugin answers; undefined: what a good one does. */
  answer: (told: Told) => object | Partial<ProgramEnd> | undefined = () => undefined;

  constructor() {
    onTestFinished(() => rm(this.folder, { recursive: true }));
    this.host = { ...createFakeHost(), programs: { run: (path, options) => this.#run(path, options) } };
    this.driver = createCniDriver(this.host);
  }

  /** Plugins that can be found. */
  async install(...types: readonly string[]): Promise<this> {
    for (const type of types) await writeFile(join(this.folder, type), "", { mode: 0o755 });
    return this;
  }

  /** A daemon dies and another one comes. */
  restart(): void {
    this.driver = createCniDriver(this.host);
  }

  /** `ADD bridge` and alike, without VERSION. */
  get calls(): string[] {
    return this.told
      .filter(({ command }) => command !== "VERSION")
      .map(({ command, type }) => `${command} ${type}`);
  }

  network(conf: object | string, part: { options?: Record<string, string>; internal?: boolean } = {}) {
    const text = typeof conf === "string" ? conf : JSON.stringify(conf);
    const generic = { "tsdocker.cni.conf": text, "tsdocker.cni.path": this.folder, ...part.options };
    return {
      networkId: "n1",
      networkName: "net",
      options: { enableIpv4: true, enableIpv6: false, internal: part.internal ?? false, generic },
      ipv4Data: [],
      ipv6Data: [],
    };
  }

  async #run(path: string, { env, stdin = "" }: ProgramOptions): Promise<ProgramEnd> {
    const told = { type: basename(path), command: String(env.CNI_COMMAND), env, conf: JSON.parse(stdin) };
    this.told.push(told);
    const good = { code: 0, signal: null, stdout: JSON.stringify(this.#good(told)) ?? "", stderr: "" };
    const answer = this.answer(told);
    if (!answer) return good;
    if ("code" in answer || "killedFor" in answer) return { ...good, ...answer };
    return { ...good, stdout: JSON.stringify(answer) };
  }

  #good({ command, conf }: Told): object | undefined {
    if (command === "VERSION") return { cniVersion: "1.0.0", supportedVersions: this.versions };
    if (command !== "ADD") return undefined;
    return conf.prevResult ?? { ...result, cniVersion: conf.cniVersion };
  }
}

export const endpoint = {
  networkId: "n1",
  endpointId: "e1",
  interface: {},
  options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} },
};

export const ref = { networkId: "n1", endpointId: "e1" };
export const join1 = { ...ref, sandboxKey: netns, freeIndex: 2, suggestedName: "eth0" };

/** What a plugin that fails ends with. */
export const failing = (code: number, msg: string, details = ""): Partial<ProgramEnd> => ({
  code: 1,
  stdout: JSON.stringify({ cniVersion: "1.0.0", code, msg, details }),
});
