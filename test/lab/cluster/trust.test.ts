// A store that wants to know who asks: certificates, and users with passwords.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import {
  EtcdClient,
  prefixEnd,
  putKey,
  readHead,
  type Tls,
  transact,
} from "../../../src/cluster/etcd/index.ts";
import { Auth } from "../../../src/cluster/gen/rpc_pb.ts";
import { connectCluster } from "../../../src/cluster/index.ts";
import {
  type Authority,
  createAuthority,
  createRequest,
  type HostRole,
  memberName,
  signRequest,
} from "../../../src/cluster/trust/index.ts";
import { parseAddress } from "../../../src/netip/index.ts";
import { type Log, silentLog } from "../../../src/util/log.ts";
import { Lab } from "../lab.ts";
import { everyStep } from "../steps.ts";
import { ClusterLab, until } from "./etcd-cluster.ts";
import { EtcdFixture, type Reach } from "./etcd-fixture.ts";

const doing = "try it";
const now = new Date();

/** What a host of the cluster shows. */
async function makeTls(authority: { certificate: string; key: string }, role: HostRole): Promise<Tls> {
  const { request, key } = await createRequest("one");
  const subject = { nodeId: "one", clusterId: "lab", role, addresses: [] };
  const cert = await signRequest(authority, request, subject, { now });
  return { ca: authority.certificate, cert, key, serverName: memberName };
}

describe("certificates", () => {
  let folder: string;
  let lab: Lab;
  let etcd: EtcdFixture;
  let reach: Reach;
  let authority: Authority;
  let tls: Tls;

  beforeAll(async () => {
    authority = await createAuthority("lab", { now });
    tls = await makeTls(authority, "member");
    folder = await mkdtemp(join(tmpdir(), "tsdocker-tls-"));
    const paths = {
      ca: join(folder, "ca.pem"),
      cert: join(folder, "cert.pem"),
      key: join(folder, "key.pem"),
    };
    await Promise.all([
      writeFile(paths.ca, tls.ca ?? ""),
      writeFile(paths.cert, tls.cert ?? ""),
      writeFile(paths.key, tls.key ?? "", { mode: 0o600 }),
    ]);
    lab = await Lab.create();
    const host = await lab.segment("192.0.2.0/24").host("m0");
    etcd = await EtcdFixture.start([host], { tls: paths });
    reach = await etcd.reachFrom(host);
  });
  afterAll(() =>
    everyStep(
      async () => await etcd?.[Symbol.asyncDispose](),
      async () => await lab?.[Symbol.asyncDispose](),
      () => rm(folder, { recursive: true, force: true }),
    ),
  );

  const head = async (own: Tls | undefined) => {
    using client = new EtcdClient({ endpoints: reach.endpoints, ...(own && { tls: own }) });
    return await readHead(client, "/", { doing });
  };

  test("a host of the cluster is let in", async () => {
    expect((await head(tls)).revision).toBeGreaterThan(0);
  });

  test("who shows no certificate is refused, and told so", async () => {
    const { ca = "", serverName = "" } = tls;
    await expect(head({ ca, serverName })).rejects.toMatchObject({ kind: "unauthorized" });
  });

  test("who shows one of another authority is refused", async () => {
    const foreign = await makeTls(await createAuthority("other", { now }), "member");
    await expect(head({ ...foreign, ca: tls.ca ?? "" })).rejects.toMatchObject({ kind: "unauthorized" });
  });

  test("a store of another authority is not believed", async () => {
    const foreign = await createAuthority("other", { now });
    await expect(head({ ...tls, ca: foreign.certificate })).rejects.toMatchObject({ kind: "unauthorized" });
  });

  test("a store with a certificate for another name is not believed", async () => {
    await expect(head({ ...tls, serverName: "elsewhere" })).rejects.toMatchObject({ kind: "unauthorized" });
  });

  test("who speaks in the clear gets nothing", async () => {
    await expect(head(undefined)).rejects.toMatchObject({ kind: "unavailable" });
  });

  test("a first connection that is refused says so at once", async () => {
    const { ca = "", serverName = "" } = tls;
    const address = parseAddress("192.0.2.1");
    if (!address) throw new Error("no address");
    const self = { id: "one", name: "one", address, dataPort: 4789, version: "lab" };
    const options = { id: "lab", self, endpoints: reach.endpoints, firstConnectMs: 600_000 };
    await expect(connectCluster({ ...options, tls: { ca, serverName } })).rejects.toMatchObject({
      kind: "unauthorized",
    });
    const cluster = await connectCluster({ ...options, tls });
    expect(cluster.state).toBe("connected");
    await cluster.close();
  });

  test("a host that has another certificate goes on with it: no write fails, and nobody is told of a loss", async () => {
    const address = parseAddress("192.0.2.1");
    if (!address) throw new Error("no address");
    const self = { id: "one", name: "one", address, dataPort: 4789, version: "lab" };
    const { endpoints } = reach;
    const [told, handed] = [vi.fn(), vi.fn()];
    const debug = (_: unknown, words = "") => words.includes("another connection") && handed();
    const log: Log = { ...silentLog, debug, warn: told, error: told, child: () => log };
    // its signs of life may be answered two seconds late without a word
    const cluster = await connectCluster({ id: "lab", self, endpoints, tls, ttlSeconds: 8, log });
    const numbers = await cluster.table<number>("numbers");
    for (let number = 0; number < 3; number++) {
      const writes = Array.from({ length: 20 }, (_, at) => numbers.put(`n${number}-${at}`, at));
      await Promise.race(writes);
      cluster.use({ endpoints, tls: await makeTls(authority, "member") });
      await Promise.all(writes);
      await until(() => handed.mock.calls.length === number + 1, "it follows over the new connection");
      await numbers.put("last", number);
    }
    expect([...numbers.entries("n")]).toHaveLength(60);
    expect(told).not.toHaveBeenCalled();
    expect(cluster.state).toBe("connected");
    await cluster.close();
  });
});

describe("users", () => {
  let lab: ClusterLab;

  beforeEach(async () => {
    lab = await ClusterLab.create(["one", "two"], { members: 1 });
    const { admin } = lab;
    for (const [name, password] of [
      ["root", "secret"],
      ["tsdocker", "s3cret"],
    ])
      await admin.call(Auth.method.userAdd, { name: name ?? "", password: password ?? "" }, { doing });
    await admin.call(Auth.method.roleAdd, { name: "root" }, { doing });
    await admin.call(Auth.method.userGrantRole, { user: "root", role: "root" }, { doing });
    await admin.call(Auth.method.roleAdd, { name: "hosts" }, { doing });
    const key = new TextEncoder().encode("/tsdocker/");
    const perm = { permType: 2, key, rangeEnd: prefixEnd("/tsdocker/") };
    await admin.call(Auth.method.roleGrantPermission, { name: "hosts", perm }, { doing });
    await admin.call(Auth.method.userGrantRole, { user: "tsdocker", role: "hosts" }, { doing });
    await admin.call(Auth.method.authEnable, {}, { doing });
  });
  afterEach(async () => await lab[Symbol.asyncDispose]());

  const auth = { user: "tsdocker", password: "s3cret" };

  test("a host with a user that may do no more than it needs follows and writes", async () => {
    await using cluster = lab.cluster({ auth });
    const one = await cluster.add("one");
    const two = await cluster.add("two");
    await (await one.table<string>("socks")).put("left", "red");
    await until(async () => (await two.table("socks")).get("left") !== undefined, "two knows");
    await two.close();
    await until(() => !one.isAlive("two"), "two is gone");
  });

  test("a token that the store forgot is renewed", async () => {
    await using cluster = lab.cluster({ auth });
    const one = await cluster.add("one");
    const table = await one.table<number>("socks");
    await table.put("left", 1);
    // tokens are in a member's memory
    await lab.etcd.members[0]?.kill();
    await lab.etcd.members[0]?.start();
    await lab.etcd.leader();
    await until(
      () =>
        table.put("left", 2).then(
          () => true,
          () => false,
        ),
      "one writes",
    );
  });

  test.each([
    ["without a user", {}, "unauthorized", "the store wants a user and a password"],
    [
      "with a wrong password",
      { auth: { user: "tsdocker", password: "guess" } },
      "unauthorized",
      "the store does not know this user with this password",
    ],
    [
      "with an unknown user",
      { auth: { user: "nobody", password: "guess" } },
      "unauthorized",
      "the store does not know this user with this password",
    ],
  ])("a host %s is refused at once, and its password is not repeated", async (_how, wrong, kind, words) => {
    await using cluster = lab.cluster(wrong);
    const error = await cluster.add("one", { firstConnectMs: 600_000 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind, message: expect.stringContaining(words) });
    expect(String(error)).not.toContain("guess");
  });

  test("what the user may not do is refused in words", async () => {
    const { endpoints } = lab.host("one").reach;
    using client = new EtcdClient({ endpoints, auth });
    await expect(transact(client, { success: [putKey("/other", "1")] }, { doing })).rejects.toMatchObject({
      kind: "forbidden",
      message: expect.stringContaining("the store does not permit this to our user"),
    });
  });
});
