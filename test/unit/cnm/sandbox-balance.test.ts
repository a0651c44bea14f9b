import { describe, expect, it } from "vitest";
import { SandboxBalance } from "../../../src/cnm/global/sandbox-balance.ts";
import type { Balanced, Netns } from "../../../src/cnm/netns.ts";
import { parseAddress } from "../../../src/netip/index.ts";

type Told = readonly Balanced[] | undefined;

/** A netns that does with what it is told whatever a test says. */
function netnsThat(sets: (told: Told) => Promise<void>): Netns {
  return { setBalance: sets } as Partial<Netns> as Netns;
}

function service(vip: string, ...backends: string[]): Balanced {
  const address = (text: string) => {
    const parsed = parseAddress(text);
    if (!parsed) throw new Error(`${text} is no address`);
    return parsed;
  };
  return { vip: address(vip), backends: backends.map(address) };
}

describe("what a sandbox is told of services", () => {
  it("is said once, and the latest only while it is being said", async () => {
    const told: Told[] = [];
    const first = Promise.withResolvers<void>();
    const balance = new SandboxBalance(
      netnsThat(async (services) => {
        told.push(services);
        if (told.length === 1) await first.promise;
      }),
    );
    const one = [service("10.0.0.9", "10.0.0.2")];
    const three = [service("10.0.0.9", "10.0.0.2", "10.0.0.3", "10.0.0.4")];
    const all = [balance.set(one), balance.set([service("10.0.0.9")]), balance.set(three)];
    first.resolve();
    await Promise.all(all);
    await balance.set(three);
    expect(told).toEqual([one, three]);
  });

  it("is nothing where there are no services, unless an earlier life may have left some", async () => {
    const told: Told[] = [];
    const balance = new SandboxBalance(netnsThat(async (services) => void told.push(services)));
    await balance.set([]);
    expect(told).toEqual([]);
    balance.adopt();
    await balance.set([]);
    expect(told).toEqual([undefined]);
  });

  it("is said again after it could not be said", async () => {
    let isBroken = true;
    const told: Told[] = [];
    const balance = new SandboxBalance(
      netnsThat(async (services) => {
        if (isBroken) throw new Error("no buffer space");
        told.push(services);
      }),
    );
    const wanted = [service("10.0.0.9", "10.0.0.2")];
    await expect(balance.set(wanted)).rejects.toThrow("no buffer space");
    isBroken = false;
    await balance.set(wanted);
    expect(told).toEqual([wanted]);
  });

  it("may fail in silence when the sandbox ends meanwhile, whose namespace is gone then", async () => {
    const gone = Promise.withResolvers<void>();
    const balance = new SandboxBalance(netnsThat(() => gone.promise));
    const telling = balance.set([service("10.0.0.9", "10.0.0.2")]);
    balance.end();
    gone.reject(new Error("no such file or directory"));
    await telling;
  });
});
