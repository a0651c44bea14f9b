// The files under /etc that tell a container its names and whom to ask: hosts and resolv.conf.

import { rm } from "node:fs/promises";
import {
  addHostsLines,
  buildHosts,
  buildResolvConf,
  editInPlace,
  type NameServer,
  ownLines,
  parseResolvConf,
  type ResolvConf,
  removeHostsLines,
  usesSystemdStub,
  writeGenerated,
} from "../dns/index.ts";
import { type Address, formatAddress, isLoopback } from "../netip/index.ts";
import type { SandboxSpec } from "./types.ts";

/** Texts of the host's files that containers' files are made from. */
export interface HostFiles {
  readonly hosts: string;
  readonly resolvConf: string;
  /** systemd-resolved's own list, used where `resolvConf` only names its stub; empty where there is none. */
  readonly resolvedConf: string;
}

/** Files of one sandbox. Paths that the container did not ask for are not written. */
export class EtcFiles {
  readonly #spec: SandboxSpec;
  readonly #readHost: () => Promise<HostFiles>;
  readonly #ipv6: boolean;
  /** The lines of own addresses that hosts has now. */
  #ownLines: readonly string[] | undefined;
  /** What the resolv.conf that is there was made for. */
  #resolvConfFor: string | undefined;
  /** They were written by an earlier daemon, for a container that runs. */
  #isAdopted = false;
  #upstreams: readonly NameServer[] = [];

  constructor(spec: SandboxSpec, readHost: () => Promise<HostFiles>, ipv6: boolean) {
    this.#spec = spec;
    this.#readHost = readHost;
    this.#ipv6 = ipv6;
  }

  /** Before anything else: the files of a container that runs already are changed only where they are wrong. */
  adopt(): void {
    this.#isAdopted = true;
  }

  /** Writes hosts, or changes the lines of the own addresses in it and leaves the others, which a user may have edited. */
  async setHosts(addresses: readonly Address[], links: readonly HostLine[]): Promise<void> {
    const path = this.#spec.files.hosts;
    if (path === undefined) return;
    const { hostname, domainname, extraHosts } = this.#spec;
    const names = { hostname, ...(domainname && { domainname }), addresses };
    const lines = [
      ...ownLines(names),
      ...links.map(({ address, names }) => `${formatAddress(address)}\t${names.join(" ")}`),
    ];
    const before = this.#ownLines;
    this.#ownLines = lines;
    if (before)
      return await editInPlace(path, (text) => addHostsLines(removeHostsLines(text, before), lines));
    const text = buildHosts({ ...names, addresses: [], extraHosts, ipv6: this.#ipv6 });
    await editInPlace(path, (present) =>
      addHostsLines(this.#isAdopted && present !== "" ? present : text, lines),
    );
  }

  /** The host's own files, for a container in the host's netns. */
  async copyHostFiles(): Promise<void> {
    if (this.#isAdopted) return;
    await Promise.all([this.#copyHosts(), this.#copyResolvConf()]);
  }

  /**
   * `internal`: asks the sandbox's resolver; `legacy`: asks name servers itself. Those are the container's own, else
   * its networks' (`networkServers`), else the daemon's, else the host's. Answers whom the resolver asks.
   */
  async setResolvConf(
    mode: "internal" | "legacy",
    networkServers: readonly Address[] = [],
  ): Promise<readonly NameServer[]> {
    const purpose = [mode, ...networkServers.map(formatAddress)].join(" ");
    if (this.#resolvConfFor === purpose) return this.#upstreams;
    const isFirst = this.#resolvConfFor === undefined && !this.#isAdopted;
    const built = buildResolvConf({
      host: await this.#hostResolvConf(mode),
      overrides: this.#overrides(networkServers),
      mode,
      ipv6: this.#ipv6,
    });
    this.#resolvConfFor = purpose;
    this.#upstreams = built.upstreams;
    const path = this.#spec.files.resolvConf;
    if (path !== undefined) {
      // what a user edited lasts as long as the container runs
      if (isFirst) await rm(`${path}.hash`, { force: true });
      await writeGenerated(path, built.text);
    }
    return this.#upstreams;
  }

  #overrides(networkServers: readonly Address[] = []) {
    const { servers, fallbackServers, search, options } = this.#spec.dns;
    const nameservers = [servers, networkServers, fallbackServers].find((list) => list?.length);
    return {
      ...(nameservers && { nameservers }),
      ...(search && { search }),
      ...(options && { options }),
    };
  }

  /** systemd-resolved's stub answers on the host's loopback only, so containers need what is behind it. */
  async #hostResolvConf(mode: "internal" | "legacy"): Promise<ResolvConf> {
    const { resolvConf, resolvedConf } = await this.#readHost();
    const own = parseResolvConf(resolvConf);
    // the resolver asks from the host's netns, where a loopback server answers
    const isReachable = mode === "internal" || !own.nameservers.some(isLoopback);
    return isReachable || !usesSystemdStub(own) ? own : parseResolvConf(resolvedConf);
  }

  async #copyHosts(): Promise<void> {
    const path = this.#spec.files.hosts;
    if (path === undefined) return;
    const extra = this.#spec.extraHosts.map(({ name, address }) => `${formatAddress(address)}\t${name}`);
    const { hosts: text } = await this.#readHost();
    await editInPlace(path, () => addHostsLines(text, extra));
  }

  async #copyResolvConf(): Promise<void> {
    const path = this.#spec.files.resolvConf;
    if (path === undefined) return;
    const overrides = this.#overrides();
    const isChanged = Object.values(overrides).some((list) => list.length > 0);
    const { resolvConf: text } = await this.#readHost();
    const host = parseResolvConf(text);
    const changed = () =>
      buildResolvConf({
        host,
        overrides: { nameservers: host.nameservers, ...overrides },
        mode: "legacy",
        ipv6: true,
      }).text;
    await editInPlace(path, () => (isChanged ? changed() : text));
  }
}

/** A line of hosts for a linked container. */
export interface HostLine {
  readonly address: Address;
  readonly names: readonly string[];
}
