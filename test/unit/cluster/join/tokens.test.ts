import { beforeEach, describe, expect, test } from "vitest";
import { FakeCluster, type FakeHost } from "../../../../src/cluster/fake-cluster.ts";
import { parseToken } from "../../../../src/cluster/join/token.ts";
import { type TokenOptions, type TokenRecord, Tokens } from "../../../../src/cluster/join/tokens.ts";

const digest = Buffer.alloc(32, 7);
const hour = 3_600_000;
let cluster: FakeCluster;
let hosts: [FakeHost, FakeHost];
let time: number;
const now = () => new Date(time);

beforeEach(async () => {
  time = Date.parse("2026-03-01T12:00:00Z");
  cluster = new FakeCluster();
  hosts = [await cluster.addNode("a"), await cluster.addNode("b")];
});

async function tokensOn(host: FakeHost): Promise<Tokens> {
  return new Tokens(await host.table<TokenRecord>("tokens"), digest, now);
}

async function create(options: TokenOptions = {}) {
  const [here, there] = [await tokensOn(hosts[0]), await tokensOn(hosts[1])];
  const text = await here.create(options);
  await cluster.settled();
  return { here, there, text, token: parseToken(text) };
}

describe("a token", () => {
  test("made on one member admits at another", async () => {
    const { there, token } = await create();
    await expect(there.spend(token, "member")).resolves.toMatchObject({ admits: "member", used: 1 });
  });

  test("is in the store as a hash, expires in a day and has no limit of uses unless told", async () => {
    const { here, token } = await create();
    const [record] = here.list();
    expect(JSON.stringify(record)).not.toContain(token.secret);
    expect(record).toMatchObject({ expiresAt: "2026-03-02T12:00:00.000Z", used: 0 });
    for (let use = 0; use < 20; use++) await here.spend(token, "node");
    expect(here.list()).toMatchObject([{ used: 20 }]);
  });

  test("is refused once it has expired, and says when that was", async () => {
    const { here, token } = await create({ lifetimeMs: hour });
    time += hour - 1;
    await here.spend(token, "node");
    time += 1;
    await expect(here.spend(token, "node")).rejects.toMatchObject({
      kind: "forbidden",
      message: expect.stringContaining("expired at 2026-03-01T13:00:00.000Z"),
    });
  });

  test("is refused beyond its uses, on whatever member they were made", async () => {
    const { here, there, token } = await create({ uses: 2 });
    await here.spend(token, "node");
    await there.spend(token, "node");
    await cluster.settled();
    await expect(here.spend(token, "node")).rejects.toMatchObject({
      kind: "forbidden",
      message: expect.stringContaining("was for 2 uses and is used up"),
    });
  });

  test("with one use admits one of many that come at once", async () => {
    const { here, there, token } = await create({ uses: 1 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) => (index % 2 ? here : there).spend(token, "node")),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("without a limit admits many that come at once", async () => {
    const { here, there, token } = await create();
    await Promise.all(
      Array.from({ length: 10 }, (_, index) => (index % 2 ? here : there).spend(token, "node")),
    );
    expect(here.list()).toMatchObject([{ used: 10 }]);
  });

  test("for plain nodes makes no member; one for members makes plain nodes too", async () => {
    const [forNodes, forMembers] = [await create({ admits: "node" }), await create({ admits: "member" })];
    await expect(forNodes.here.spend(forNodes.token, "member")).rejects.toThrow("admits plain nodes only");
    await forNodes.here.spend(forNodes.token, "node");
    await forMembers.here.spend(forMembers.token, "node");
  });

  test("is gone when it was removed", async () => {
    const { here, there, token } = await create();
    await there.remove(token.id);
    await cluster.settled();
    await expect(here.spend(token, "node")).rejects.toMatchObject({ kind: "unauthorized" });
    await expect(here.remove(token.id)).rejects.toMatchObject({ kind: "not-found" });
  });

  test("that expired long ago is swept, others stay", async () => {
    const { here } = await create({ lifetimeMs: hour });
    const { token } = await create({ lifetimeMs: 100 * hour });
    time += 26 * hour;
    await here.sweep();
    expect(here.list().map(({ id }) => id)).toEqual([token.id]);
  });
});

describe("a stranger", () => {
  test("with a wrong secret learns what one with an unknown id does: nothing", async () => {
    const { here, token } = await create({ lifetimeMs: hour });
    time += 2 * hour;
    const wrong = here.spend({ ...token, secret: "0".repeat(26) }, "node");
    const unknown = here.spend({ id: "0".repeat(10), secret: token.secret }, "node");
    const message = "the join token is not one of this cluster";
    await expect(wrong).rejects.toMatchObject({ kind: "unauthorized", message });
    await expect(unknown).rejects.toMatchObject({ kind: "unauthorized", message });
  });
});

test.each([{ lifetimeMs: 0 }, { lifetimeMs: Number.NaN }, { lifetimeMs: 1e12 }, { uses: 0 }, { uses: 1.5 }])(
  "options out of range are refused: %j",
  async (options) => {
    const tokens = await tokensOn(hosts[0]);
    await expect(tokens.create(options)).rejects.toMatchObject({ kind: "invalid" });
    expect(tokens.list()).toEqual([]);
  },
);

test("while the store is away a token cannot be used", async () => {
  const { here, token } = await create();
  cluster.partition("a");
  await expect(here.spend(token, "node")).rejects.toMatchObject({ kind: "unavailable" });
});
