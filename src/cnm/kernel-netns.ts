// Sandboxes' network namespaces on a real kernel.

import { readdir } from "node:fs/promises";
import {
  createNetns,
  deleteNetns,
  type Netlink,
  netnsExists,
  openNetlink,
  pinNetns,
  sendFrames,
  setLink,
  writeSysctls,
} from "../kernel/index.ts";
import type { Balanced, Netns, NetnsMaker } from "./netns.ts";

/** Redirects DNS inside a netns (path of its pin); undefined ends that. */
export type SetDnsRedirect = (
  netns: string,
  ports: { readonly udp: number; readonly tcp: number } | undefined,
) => Promise<void>;

/** Balances virtual addresses inside a netns (path of its pin); undefined ends that. */
export type SetBalance = (netns: string, services: readonly Balanced[] | undefined) => Promise<void>;

const loopbackIndex = 1; // in every namespace: the first link that the kernel makes there

/** Namespaces of this kernel, pinned by files. */
export function createNetnsMaker(setDnsRedirect: SetDnsRedirect, setBalance: SetBalance): NetnsMaker {
  const open = async (path: string): Promise<Netns> =>
    new KernelNetns(path, await openNetlink(path), { setDnsRedirect, setBalance });
  return {
    open,
    async create(path) {
      await createNetns(path);
      try {
        const netns = await open(path);
        await netns.netlink.send(setLink(loopbackIndex, { up: true }));
        return netns;
      } catch (error) {
        await deleteNetns(path);
        throw error;
      }
    },
    async pinAgain(path, pid) {
      if (await netnsExists(path)) return false;
      await pinNetns(path, pid);
      return true;
    },
    removePin: (path) => deleteNetns(path),
    list: async (folder) => await readdir(folder).catch(() => []),
  };
}

interface InnerRules {
  readonly setDnsRedirect: SetDnsRedirect;
  readonly setBalance: SetBalance;
}

class KernelNetns implements Netns {
  readonly path: string;
  readonly netlink: Netlink;
  readonly #rules: InnerRules;

  constructor(path: string, netlink: Netlink, rules: InnerRules) {
    this.path = path;
    this.netlink = netlink;
    this.#rules = rules;
  }

  writeSysctls(values: Readonly<Record<string, string>>): Promise<void> {
    return writeSysctls(
      Object.entries(values).map(([key, value]) => ({ key, value })),
      this.path,
    );
  }

  sendFrames(link: number, frames: readonly Uint8Array[]): Promise<void> {
    return sendFrames(link, frames, this.path);
  }

  setDnsRedirect(ports: { readonly udp: number; readonly tcp: number } | undefined): Promise<void> {
    return this.#rules.setDnsRedirect(this.path, ports);
  }

  setBalance(services: readonly Balanced[] | undefined): Promise<void> {
    return this.#rules.setBalance(this.path, services);
  }

  close(): Promise<void> {
    return this.netlink.close();
  }

  async remove(): Promise<void> {
    await this.netlink.close();
    await deleteNetns(this.path);
  }
}
