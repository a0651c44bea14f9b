// The same requests to dockerd and to us, answer against answer. Whatever differs is in the table of kept.ts, with its
// reason; what is in the table and differs no more is to be taken out.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { empty, missing, type Peer, startPeer } from "./daemons.ts";
import { type Kept, kept } from "./kept.ts";
import { compareSteps, type Difference } from "./run.ts";
import { areas } from "./steps/index.ts";

const reason = missing();

describe.skipIf(reason !== undefined)(`dockerd's answers${reason ? `: ${reason}` : ""}`, () => {
  let peers: { readonly dockerd: Peer; readonly ours: Peer };
  const used = new Set<Kept>();
  const later: Promise<Difference[]>[] = [];

  beforeAll(async () => {
    const [dockerd, ours] = await Promise.all([startPeer("dockerd"), startPeer("tsdockerd")]);
    peers = { dockerd, ours };
  });

  afterAll(async () => {
    await Promise.all([peers?.dockerd[Symbol.asyncDispose](), peers?.ours[Symbol.asyncDispose]()]);
  });

  const unexplained = ({ title, what }: Difference) => {
    const row = kept.find((it) => (it.on?.test(title) ?? true) && it.what.test(what));
    if (row) used.add(row);
    return row === undefined;
  };

  const expectNone = (found: readonly Difference[]) =>
    expect(found.map(({ title, what }) => `${title}: ${what}`)).toEqual([]);

  test.each(Object.entries(areas))(
    "%s: answers are dockerd's but for what is kept",
    async (_area, steps) => {
      try {
        const compared = await compareSteps(peers, steps);
        later.push(compared.later);
        expectNone(compared.found.filter(unexplained));
      } catch (error) {
        // what a broken-off area has made is none of the next one's, nor of its own second try's
        await Promise.all([empty(peers.dockerd), empty(peers.ours)]);
        throw error;
      }
    },
    180_000,
  );

  // dockerd takes 15 s to be sure that there is no such plugin
  test("answers that are slow in coming are dockerd's but for what is kept", async () => {
    expectNone((await Promise.all(later)).flat().filter(unexplained));
  });

  test("no difference is excused that there is not", () => {
    const idle = kept.filter((row) => !row.isByChance && !used.has(row));
    expect(idle.map(({ on, what }) => `${on ?? ""} ${what}`)).toEqual([]);
  });
});
