// Who is let into a cluster and who is not, on lab hosts with a real etcd.

import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createAuthority,
  createRequest,
  memberName,
  signRequest,
  TrustFiles,
} from "../../../src/cluster/trust/index.ts";
import { parseAddress } from "../../../src/netip/index.ts";
import type { LabHost } from "../lab.ts";
import { type MemberHost, MemberSite } from "./member-site.ts";

let site: MemberSite;
let first: MemberHost;
let node: MemberHost;

beforeAll(async () => {
  site = await MemberSite.create();
  [first, node] = [await site.host("h1"), await site.host("h2")];
  await first.call("init", {});
  await node.join(await first.token(), first);
});
afterAll(() => site?.[Symbol.asyncDispose]());

const trust = (host: MemberHost) => new TrustFiles(join(host.folder, "cluster/trust")).paths;
const names = {
  client: "https://192.0.2.1:2379/health",
  peer: "https://192.0.2.1:2380/members",
};

/** What a request from this host comes to: the answer's status, or the code of the error. */
async function ask(
  from: LabHost,
  url: string,
  keys: { readonly authority: string; readonly host?: string },
): Promise<string> {
  const script = `
    const { readFileSync } = require("node:fs");
    const [url, ca, own] = process.argv.slice(1);
    const { get } = require(url.startsWith("https") ? "node:https" : "node:http");
    const pem = own ? readFileSync(own) : undefined;
    get(url, { ca: readFileSync(ca), cert: pem, key: pem, servername: "${memberName}" }, (response) => {
      console.log(response.statusCode);
      response.resume();
    }).on("error", (error) => console.log(error.code ?? error.message));`;
  return await new Promise((resolve, reject) => {
    const args = [
      `--net=${from.netns}`,
      process.execPath,
      "-e",
      script,
      url,
      keys.authority,
      keys.host ?? "",
    ];
    execFile("nsenter", args, (error, stdout) => (error ? reject(error) : resolve(stdout.trim())));
  });
}

/** Keys that another authority of the same cluster's name has signed. */
async function foreignKeys(): Promise<{ readonly authority: string; readonly host: string }> {
  const now = new Date();
  const clusterId = (await first.state()).cluster?.id ?? "";
  const authority = await createAuthority(clusterId, { now });
  const { request, key } = await createRequest("f".repeat(32));
  const address = parseAddress("192.0.2.1");
  const subject = {
    nodeId: "f".repeat(32),
    clusterId,
    role: "member" as const,
    addresses: address ? [address] : [],
  };
  const certificate = await signRequest(authority, request, subject, { now });
  const files = new TrustFiles(join(site.folder, "foreign"));
  await files.write({ authority: authority.certificate, certificate, key });
  return { authority: trust(first).authority, host: files.paths.host };
}

describe("the store", () => {
  test("answers a host of the cluster", async () => {
    expect(await ask(node.lab, names.client, trust(node))).toBe("200");
  });

  test("refuses a client without a certificate, with a foreign one, and one in the clear", async () => {
    const { authority } = trust(first);
    expect(await ask(node.lab, names.client, { authority })).not.toMatch(/^[0-9]/);
    expect(await ask(node.lab, names.client, await foreignKeys())).not.toMatch(/^[0-9]/);
    expect(await ask(node.lab, names.client.replace("https", "http"), { authority })).not.toBe("200");
  });

  test("takes no plain node for a peer, though their authority is the same", async () => {
    expect(await ask(node.lab, names.peer, trust(first))).toBe("200");
    expect(await ask(node.lab, names.peer, trust(node))).not.toMatch(/^[0-9]/);
    expect(await ask(node.lab, names.peer, await foreignKeys())).not.toMatch(/^[0-9]/);
  });

  test("has no listener on loopback, nor one in the clear", async () => {
    const listeners = await first.lab.run("ss", "-Hltn");
    const ports = listeners
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/)[3]);
    expect(ports.sort()).toEqual(["192.0.2.1:2377", "192.0.2.1:2379", "192.0.2.1:2380"]);
  });

  test("refuses a host that was removed, from the next connection on", async () => {
    const gone = await site.host("gone");
    await gone.join(await first.token({ admits: "node" }), first);
    const keys = trust(gone);
    expect(await ask(gone.lab, names.client, keys)).toBe("200");
    const { nodeId } = await gone.state();
    await first.call("remove", { nodeId, force: true });
    await expect.poll(() => ask(gone.lab, names.client, keys)).not.toBe("200");
    const { removed } = await gone.until((state) => state.removed !== null);
    expect(removed).toBe("this host was removed from the cluster");
    expect(await ask(node.lab, names.client, trust(node))).toBe("200");
  });
});

describe("a host that wants to join", () => {
  let late: MemberHost;
  beforeAll(async () => {
    late = await site.host("late");
  });

  async function expectRefusal(options: object, kind: string, message: RegExp | string): Promise<void> {
    await expect(late.call("join", { remotes: ["192.0.2.1"], ...options })).rejects.toMatchObject({
      kind,
      message:
        typeof message === "string" ? expect.stringContaining(message) : expect.stringMatching(message),
    });
    expect(await late.files()).toEqual({ "identity.json": "600" });
    expect((await late.state()).cluster).toBeNull();
  }

  test("with a token that has expired, is used up, was removed or is none is refused and told why", async () => {
    const expired = await first.token({ lifetimeMs: 1 });
    await expectRefusal({ token: expired }, "forbidden", "the join token expired at");
    const once = await first.token({ uses: 1, admits: "node" });
    const other = await site.host("other");
    await other.join(once, first);
    await expectRefusal({ token: once }, "forbidden", "was for 1 use and is used up");
    await other.call("leave", {});
    const gone = await first.token();
    await first.call("removeToken", { token: gone });
    await expectRefusal({ token: gone }, "unauthorized", "not one of this cluster");
    await expectRefusal({ token: "TSDKR-1-abc" }, "invalid", "was it copied whole?");
    await expectRefusal(
      { token: await first.token({ admits: "node" }), wish: "member" },
      "forbidden",
      "admits plain nodes only",
    );
  });

  test("with another cluster's token is refused before it has said the secret", async () => {
    const stranger = await site.host("stranger");
    await stranger.call("init", {});
    const foreign = await stranger.token();
    await expectRefusal(
      { token: foreign },
      "forbidden",
      "the token is of another cluster than the one there",
    );
    expect(await first.log()).not.toContain(foreign.slice(-26));
    await expect(node.call("join", { token: foreign, remotes: [stranger.address] })).rejects.toMatchObject({
      kind: "conflict",
      message: expect.stringMatching(
        /^join the cluster: this host belongs to cluster [0-9a-f]{32}: leave it first$/,
      ),
    });
  });

  test("at a host that is not there, or is no member, is told what is wrong", async () => {
    const token = await first.token();
    await expectRefusal(
      { token, remotes: ["192.0.2.2"] },
      "unavailable",
      "reach 192.0.2.2:2377: nothing listens there",
    );
    await expectRefusal(
      { token, remotes: ["198.51.100.1"] },
      "unavailable",
      "reach 198.51.100.1:2377: no route to the host",
    );
    await expectRefusal({ token, remotes: ["192.0.2.1:2380"] }, "unavailable", "no join port of a cluster");
    await expectRefusal({ token, remotes: [] }, "invalid", "no address of a member was given");
  });

  test("under an address that is not its own is told what it has", async () => {
    const token = await first.token();
    await expectRefusal(
      { token, advertise: "192.0.2.99" },
      "invalid",
      /^advertise 192\.0\.2\.99: no interface of this host has this address \(it has: eth0 192\.0\.2\./,
    );
  });

  test("under the address of another is told whose it is", async () => {
    const token = await first.token();
    await late.lab.run("ip", "address", "add", "192.0.2.2/24", "dev", "eth0");
    try {
      await expectRefusal(
        { token, advertise: "192.0.2.2" },
        "conflict",
        "192.0.2.2 is the address of host h2",
      );
    } finally {
      await late.lab.run("ip", "address", "delete", "192.0.2.2/24", "dev", "eth0");
    }
  });

  test("over what an earlier cluster has left is told where that is", async () => {
    const left = join(late.folder, "cluster/etcd");
    await mkdir(left);
    try {
      await expect(
        late.call("join", { token: await first.token(), remotes: ["192.0.2.1"] }),
      ).rejects.toMatchObject({
        kind: "conflict",
        message: expect.stringContaining(`${left} is left of an earlier cluster`),
      });
    } finally {
      await late.lab.run("rmdir", left);
    }
  });

  test("comes in at last, with no harm done", async () => {
    await late.join(await first.token({ admits: "node" }), first);
    expect(await late.state()).toMatchObject({ store: "connected", cluster: { role: "node", wish: "node" } });
  });
});

describe("a host that makes a cluster", () => {
  const clean = { "identity.json": "600" };

  test("needs etcd, and says how to get it", async () => {
    const host = await site.host("bare", { etcd: "/nonexistent/etcd" });
    await expect(host.call("init", {})).rejects.toMatchObject({
      kind: "unavailable",
      message: "start /nonexistent/etcd: etcd is not installed: apt-get install etcd-server",
    });
    expect(await host.files()).toEqual(clean);
  });

  test.each([
    ["join", 2377],
    ["client", 2379],
    ["peer", 2380],
  ])(
    "whose %s port is taken is told which it is, and has nothing left of the attempt",
    async (name, port) => {
      const host = await site.host(`taken-${name}`);
      await using _ = await host.lab.listen("0.0.0.0", port);
      await expect(host.call("init", {})).rejects.toMatchObject({
        kind: "unavailable",
        message: `listen on ${host.address}:${port}: the port is in use by another program`,
      });
      expect(await host.files()).toEqual(clean);
      expect(await host.etcdProcesses()).toEqual([]);
    },
  );

  test("whose etcd does not come up is told why", async () => {
    const script = join(site.folder, "etcd");
    await writeFile(script, "#!/bin/sh\necho 'etcd: out of luck' >&2\nexit 1\n", { mode: 0o755 });
    const host = await site.host("luckless", { etcd: script });
    await expect(host.call("init", {})).rejects.toThrow("start etcd: etcd: out of luck");
    expect(await host.files()).toEqual(clean);
  });
});

describe("a host whose part is damaged", () => {
  test("starts all the same and says what is wrong: keys that others can read", async () => {
    await node.stop({ keepEtcd: false });
    await node.lab.run("chmod", "644", trust(node).host);
    await node.start();
    expect((await node.state()).trouble).toMatch(
      /host\.pem: others may use this file \(mode 644\): chmod 600 it$/,
    );
    await node.lab.run("chmod", "600", trust(node).host);
  });

  test("never makes a second cluster of a member's lost data", async () => {
    await first.stop({ keepEtcd: false });
    await first.lab.run("mv", join(first.folder, "cluster/etcd"), join(first.folder, "away"));
    await first.start();
    const { trouble, etcdPid } = await first.state();
    expect(trouble).toMatch(
      /cluster\/etcd has lost its data: remove this host from the cluster on another member/,
    );
    expect(etcdPid).toBe(0);
  });
});
