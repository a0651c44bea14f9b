import { beforeEach, describe, expect, test } from "vitest";
import {
  checkHostCertificate,
  createRequest,
  readHostCertificate,
} from "../../../../src/cluster/trust/index.ts";
import { formatAddress } from "../../../../src/netip/index.ts";
import { address, clusterId, createSite, joinRequest, nodeIdOf, peerUrlOf, type Site } from "./site.ts";

let site: Site;
beforeEach(async () => {
  site = await createSite();
});
const record = (digit: string) => site.tables.admissions.get(nodeIdOf(digit))?.value;
const request = async (digit: string) => ({ request: (await createRequest(nodeIdOf(digit))).request });

async function change(digit: string, more: object): Promise<void> {
  const entry = site.tables.admissions.get(nodeIdOf(digit));
  if (entry) await site.tables.admissions.replace(entry, { ...entry.value, ...more });
}

describe("a host that joins", () => {
  test("gets a plain node's certificate for its own id and address", async () => {
    const { certificate, ...answer } = await site.admitting.join(await joinRequest(site, "b"));
    const host = checkHostCertificate(certificate, site.authority.certificate, new Date());
    expect(host).toMatchObject({ nodeId: nodeIdOf("b"), clusterId, role: "node" });
    expect(host.addresses.map(formatAddress)).toEqual(["192.0.2.2"]);
    expect(answer).toEqual({
      clusterId,
      wish: "auto",
      members: [
        { nodeId: nodeIdOf("a"), address: "192.0.2.1", ports: { join: 2377, client: 2379, peer: 2380 } },
      ],
    });
    expect(record("b")).toMatchObject({ seat: "node", certificates: [{ serial: host.serial }] });
  });

  test("uses its token up once, and not at all when it is refused for something else", async () => {
    await site.admitting.join(await joinRequest(site, "b", { options: { uses: 1 } }));
    const taken = await joinRequest(site, "c", { address: address("192.0.2.2") });
    await expect(site.admitting.join(taken)).rejects.toMatchObject({ kind: "conflict" });
    expect(
      site.tokens
        .list()
        .map(({ used }) => used)
        .sort(),
    ).toEqual([0, 1]);
  });

  test("may ask again when the answer was lost", async () => {
    const asked = await joinRequest(site, "b");
    await site.admitting.join(asked);
    await site.admitting.join(asked);
    expect(record("b")?.certificates).toHaveLength(2);
  });

  test("with a token for plain nodes never becomes a member", async () => {
    const answer = await site.admitting.join(await joinRequest(site, "b", { options: { admits: "node" } }));
    expect(answer.wish).toBe("node");
    expect(record("b")?.wish).toBe("node");
    const asking = await joinRequest(site, "c", { wish: "member", options: { admits: "node" } });
    await expect(site.admitting.join(asking)).rejects.toThrow("admits plain nodes only");
    expect(record("c")).toBeUndefined();
  });

  test("at another host's address is told whose it is", async () => {
    const asked = await joinRequest(site, "b", { address: address("192.0.2.1") });
    await expect(site.admitting.join(asked)).rejects.toThrow(
      `192.0.2.1 is the address of host host-a (${nodeIdOf("a")}): if that host is gone, remove it first`,
    );
  });

  test("with the id of a host that is alive elsewhere is told that it is a clone", async () => {
    await site.cluster.addNode(nodeIdOf("b"));
    await site.admitting.join(await joinRequest(site, "b"));
    const clone = await joinRequest(site, "b", { address: address("192.0.2.99"), name: "clone" });
    await expect(site.admitting.join(clone)).rejects.toThrow(
      /the node id of clone is that of host host-b at 192\.0\.2\.2, which is alive: was it cloned with its data folder\?/,
    );
    site.cluster.endLease(nodeIdOf("b"));
    await site.cluster.settled();
    await site.admitting.join(clone);
    expect(record("b")).toMatchObject({ address: "192.0.2.99", name: "clone" });
  });

  test("again is a member no longer: the one it was before does not pass for it", async () => {
    site.members.seat(nodeIdOf("b"), peerUrlOf("192.0.2.2"));
    site.members.refusals = 2;
    await site.admitting.join(await joinRequest(site, "b"));
    expect((await site.members.list()).map(({ name }) => name)).toEqual([nodeIdOf("a")]);
    expect(record("b")).toMatchObject({ seat: "node" });
  });

  test("again is refused while etcd keeps the member that it was, and is on no record then", async () => {
    site.members.seat(nodeIdOf("b"), peerUrlOf("192.0.2.2"));
    site.members.refusals = Number.POSITIVE_INFINITY;
    await expect(site.admitting.join(await joinRequest(site, "b"))).rejects.toThrow(
      "the member at https://192.0.2.2:2380 that this host was before is still there: try again",
    );
    expect(record("b")).toBeUndefined();
    expect(site.tokens.list().map(({ used }) => used)).toEqual([0]);
  });

  test("with the id of a member is refused", async () => {
    const asked = await joinRequest(site, "a");
    await expect(site.admitting.join(asked)).rejects.toThrow("is a member of the cluster: remove it first");
  });

  test("leaves no record when its request is none", async () => {
    const asked = await joinRequest(site, "b", { request: "nonsense" });
    await expect(site.admitting.join(asked)).rejects.toMatchObject({ kind: "invalid" });
    expect(record("b")).toBeUndefined();
  });

  test("is told that the store is away, and gets no certificate that is not on record", async () => {
    const asked = await joinRequest(site, "b");
    site.cluster.partition(nodeIdOf("a"));
    await expect(site.admitting.join(asked)).rejects.toMatchObject({ kind: "unavailable" });
  });
});

describe("a host that shows its certificate", () => {
  test("gets a new one, and both are on record until the old one expires", async () => {
    const first = readHostCertificate((await site.admitting.join(await joinRequest(site, "b"))).certificate);
    site.time += 50 * 86_400_000;
    const second = readHostCertificate(
      (await site.admitting.renew(nodeIdOf("b"), await request("b"))).certificate,
    );
    expect(second).toMatchObject({ nodeId: nodeIdOf("b"), role: "node" });
    expect(second.notAfter.getTime()).toBeGreaterThan(first.notAfter.getTime());
    expect(record("b")?.certificates.map(({ serial }) => serial)).toEqual([first.serial, second.serial]);
    site.time += 50 * 86_400_000;
    await site.admitting.renew(nodeIdOf("b"), await request("b"));
    expect(record("b")?.certificates.map(({ serial }) => serial)).not.toContain(first.serial);
  });

  test("is refused when it was removed, by its record or by its certificate", async () => {
    const { certificate } = await site.admitting.join(await joinRequest(site, "b"));
    const host = readHostCertificate(certificate);
    expect(() => site.admitting.checkClient(host)).not.toThrow();
    await site.tables.revocations.create(host.serial, { nodeId: host.nodeId, expiresAt: "2100" });
    expect(() => site.admitting.checkClient(host)).toThrow("no longer good");
    await site.tables.revocations.delete(host.serial);
    await site.tables.admissions.delete(host.nodeId);
    expect(() => site.admitting.checkClient(host)).toThrow("removed from the cluster");
    await expect(site.admitting.renew(host.nodeId, await request("b"))).rejects.toMatchObject({
      kind: "forbidden",
    });
  });

  test("of another cluster is refused", async () => {
    const host = readHostCertificate((await site.admitting.join(await joinRequest(site, "b"))).certificate);
    expect(() => site.admitting.checkClient({ ...host, clusterId: "c1".repeat(16) })).toThrow(
      "no longer good",
    );
  });
});

describe("a host that was offered a seat", () => {
  beforeEach(async () => {
    for (const digit of ["b", "c"]) await site.admitting.join(await joinRequest(site, digit));
    await change("b", { seat: "offered" });
  });

  test("gets what a member has, and is expected in etcd without a vote", async () => {
    const answer = await site.admitting.promote(nodeIdOf("b"), await request("b"));
    expect(readHostCertificate(answer.certificate).role).toBe("member");
    expect(answer.authorityKey).toBe(site.authority.key);
    expect(answer.members).toEqual([
      { nodeId: nodeIdOf("a"), peerUrl: peerUrlOf("192.0.2.1") },
      { nodeId: nodeIdOf("b"), peerUrl: peerUrlOf("192.0.2.2") },
    ]);
    expect(await site.members.list()).toMatchObject([{ isLearner: false }, { name: "", isLearner: true }]);
  });

  test("may ask again: what the first attempt left is replaced", async () => {
    await site.admitting.promote(nodeIdOf("b"), await request("b"));
    await site.admitting.promote(nodeIdOf("b"), await request("b"));
    expect(await site.members.list()).toHaveLength(2);
  });

  test("waits while another is on its way, and not for one that was given up", async () => {
    await change("c", { seat: "offered" });
    await site.admitting.promote(nodeIdOf("b"), await request("b"));
    const second = async () => site.admitting.promote(nodeIdOf("c"), await request("c"));
    await expect(second()).rejects.toMatchObject({ kind: "unavailable" });
    await change("b", { seat: "node" });
    await second();
    expect((await site.members.list()).map(({ peerUrls }) => peerUrls[0])).toEqual([
      peerUrlOf("192.0.2.1"),
      peerUrlOf("192.0.2.3"),
    ]);
  });

  test("and only such a host becomes a member", async () => {
    await expect(site.admitting.promote(nodeIdOf("c"), await request("c"))).rejects.toThrow(
      "needs no further member",
    );
    await expect(site.admitting.promote(nodeIdOf("a"), await request("a"))).rejects.toThrow(
      "is a member already",
    );
    await expect(site.admitting.promote(nodeIdOf("d"), await request("d"))).rejects.toThrow(
      "removed from the cluster",
    );
    expect(await site.members.list()).toHaveLength(1);
  });

  test("that has left by the time that etcd expects it is not put on record again", async () => {
    site.members.meanwhile = () => site.tables.admissions.delete(nodeIdOf("b"));
    await expect(site.admitting.promote(nodeIdOf("b"), await request("b"))).rejects.toMatchObject({
      kind: "forbidden",
      message: expect.stringContaining("removed from the cluster"),
    });
    expect(site.tables.admissions.get(nodeIdOf("b"))).toBeUndefined();
  });

  test("that is a member by the time that etcd expects it once more stays one", async () => {
    site.members.meanwhile = () => change("b", { seat: "member" });
    await expect(site.admitting.promote(nodeIdOf("b"), await request("b"))).rejects.toThrow(
      "is a member already",
    );
    expect(site.tables.admissions.get(nodeIdOf("b"))?.value.seat).toBe("member");
  });

  test("gets nothing while etcd has no quorum", async () => {
    site.members.isAway = true;
    await expect(site.admitting.promote(nodeIdOf("b"), await request("b"))).rejects.toMatchObject({
      kind: "unavailable",
    });
  });
});
