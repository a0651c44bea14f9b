// The join port itself, over loopback: who is let in, who is not, and what either learns.

import { once } from "node:events";
import { connect as connectPlain, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ask, fetchAuthority, type Where } from "../../../../src/cluster/join/join-client.ts";
import { JoinServer, type JoinServerOptions } from "../../../../src/cluster/join/join-server.ts";
import { joinCluster } from "../../../../src/cluster/join/joining.ts";
import { formatToken, parseToken } from "../../../../src/cluster/join/token.ts";
import { Tries } from "../../../../src/cluster/join/tries.ts";
import { longestBody, paths } from "../../../../src/cluster/join/wire.ts";
import {
  type Credentials,
  certificateDigest,
  createAuthority,
  createRequest,
  memberName,
  readHostCertificate,
} from "../../../../src/cluster/trust/index.ts";
import { formatAddress } from "../../../../src/netip/index.ts";
import { silentLog } from "../../../../src/util/log.ts";
import { createSite, credentialsOf, joinRequest, nodeIdOf, type Site } from "./site.ts";

let site: Site;
let where: Where;
let logged: string;
let clock: number;

beforeEach(async () => {
  site = await createSite();
  logged = "";
  clock = 0;
  const credentials = await credentialsOf(site, "a", "member", "127.0.0.1");
  where = await listen(credentials);
});

async function listen(credentials: Credentials): Promise<Where> {
  const note = (...words: unknown[]) => {
    logged += JSON.stringify(words);
  };
  const log = { ...silentLog, info: note, warn: note, error: note, debug: note, child: () => log };
  const { admitting } = site;
  const tries = new Tries(() => clock);
  return (await open({ credentials, admitting, log, tries })).where;
}

/** On a port of its own. */
async function open(options: Omit<JoinServerOptions, "address" | "port">) {
  const host = "127.0.0.1";
  for (let tries = 0; ; tries++) {
    const port = await freePort();
    try {
      const server = await JoinServer.listen({ ...options, address: host, port });
      onTestFinished(() => server.close());
      return { server, where: { host, port } };
    } catch (error) {
      // another test may have been given the same one meanwhile
      if (tries === 5) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address ? address.port : 0;
}

const authority = () => ({ authority: site.authority.certificate });

async function body(digit: string, more: Parameters<typeof joinRequest>[2] = {}) {
  const { key: _, ...request } = await joinRequest(site, digit, more);
  return { ...request, address: formatAddress(request.address) };
}

async function join(digit: string, token: string, at = where, now = new Date()) {
  const { name, ports } = await joinRequest(site, digit);
  const newcomer = { nodeId: nodeIdOf(digit), name, ports, address: "192.0.2.77", now };
  return await joinCluster({ token, remotes: [`${at.host}:${at.port}`] }, newcomer);
}

describe("a host with a token", () => {
  test("comes out with keys of its own and knows the members", async () => {
    const { cluster, credentials } = await join("b", await site.tokens.create());
    expect(cluster).toMatchObject({ role: "node", wish: "auto", address: "192.0.2.77" });
    expect(cluster.members).toMatchObject([{ nodeId: nodeIdOf("a"), address: "192.0.2.1" }]);
    expect(credentials.authority.trim()).toBe(site.authority.certificate.trim());
    expect(readHostCertificate(credentials.certificate).nodeId).toBe(nodeIdOf("b"));
  });

  test("asks one member after another", async () => {
    const remotes = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${where.port}`];
    const { name, ports } = await joinRequest(site, "b");
    const newcomer = { nodeId: nodeIdOf("b"), name, ports, address: "192.0.2.77", now: new Date() };
    const { cluster } = await joinCluster({ token: await site.tokens.create(), remotes }, newcomer);
    expect(cluster.role).toBe("node");
  });

  const refusals: Record<string, { make: () => Promise<string>; kind: string; message: RegExp }> = {
    expired: {
      make: async () => {
        const token = await site.tokens.create({ lifetimeMs: 1000 });
        site.time += 2000;
        return token;
      },
      kind: "forbidden",
      message: /^join the cluster: the join token expired at /,
    },
    "used up": {
      make: async () => {
        const token = await site.tokens.create({ uses: 1 });
        await site.tokens.spend(parseToken(token), "node");
        return token;
      },
      kind: "forbidden",
      message: /^join the cluster: the join token was for 1 use and is used up/,
    },
    removed: {
      make: async () => {
        const token = await site.tokens.create();
        await site.tokens.remove(parseToken(token).id);
        return token;
      },
      kind: "unauthorized",
      message: /^join the cluster: the join token is not one of this cluster/,
    },
    malformed: {
      make: async () => "TSDKR-1-abc",
      kind: "invalid",
      message: /^read the join token: /,
    },
  };

  test.each(Object.keys(refusals))("that is %s is told so", async (name) => {
    const { make, kind, message } = refusals[name] ?? expect.fail(name);
    await expect(join("b", await make())).rejects.toMatchObject({
      kind,
      message: expect.stringMatching(message),
    });
    expect(site.tables.admissions.get(nodeIdOf("b"))).toBeUndefined();
  });

  test("of another cluster finds out before it says the secret", async () => {
    const other = await createAuthority("d0".repeat(16), { now: new Date() });
    const token = parseToken(await site.tokens.create());
    const foreign = formatToken({ ...token, digest: certificateDigest(other.certificate) });
    await expect(join("b", foreign)).rejects.toMatchObject({
      kind: "forbidden",
      message: expect.stringContaining(
        "the token is of another cluster than the one there: nothing was told to it",
      ),
    });
    expect(logged).toBe("");
  });

  test("says it to nobody who only has the authority's certificate to show", async () => {
    // an impostor that relays the true chain cannot prove that it has the key; one with its own chain has another digest
    const impostor = await createAuthority("c0".repeat(16), { now: new Date() });
    const own = { ...site, authority: impostor };
    const credentials = await credentialsOf(own, "a", "member", "127.0.0.1");
    const there = await listen({ ...credentials, authority: impostor.certificate });
    await expect(join("b", await site.tokens.create(), there)).rejects.toThrow("of another cluster");
    await expect(ask(there, paths.join, {}, authority())).rejects.toMatchObject({ kind: "forbidden" });
  });

  test("does not take a plain node for a member", async () => {
    const there = await listen(await credentialsOf(site, "b", "node", "127.0.0.1"));
    await expect(ask(there, paths.join, {}, authority())).rejects.toMatchObject({
      kind: "forbidden",
      message: expect.stringContaining("it is not of this cluster"),
    });
  });

  test("is told of a clock that is wrong", async () => {
    const token = await site.tokens.create();
    const behind = new Date(Date.now() - 7_200_000);
    await expect(join("b", token, where, behind)).rejects.toThrow(
      /the clock here says .*: set the clocks of both hosts/,
    );
    const ahead = new Date(Date.now() + 100 * 86_400_000);
    await expect(join("b", token, where, ahead)).rejects.toThrow(/it expired at/);
  });
});

describe("a host without a valid token", () => {
  test("learns nothing, and waits after five wrong ones", async () => {
    const right = await body("b");
    const wrong = { ...right, token: { ...right.token, secret: "0".repeat(26) } };
    for (let count = 0; count < 5; count++)
      await expect(ask(where, paths.join, wrong, authority())).rejects.toMatchObject({
        kind: "unauthorized",
        message: "the join token is not one of this cluster",
      });
    await expect(ask(where, paths.join, right, authority())).rejects.toMatchObject({
      kind: "unavailable",
      message: "too many wrong join tokens from 127.0.0.1: try again in 60 s",
    });
    clock = 60_000;
    await expect(ask(where, paths.join, right, authority())).resolves.toMatchObject({ wish: "auto" });
  });

  test("leaves no secret in the log", async () => {
    const right = await body("b");
    await ask(where, paths.join, { ...right, nodeId: "short" }, authority()).catch(() => undefined);
    await ask(
      where,
      paths.join,
      { ...right, token: { ...right.token, id: "x".repeat(10) } },
      authority(),
    ).catch(() => undefined);
    await ask(where, paths.join, right, authority());
    expect(logged).toContain("a request at the join port was refused");
    expect(logged).not.toContain(right.token.secret);
    expect(logged).not.toContain("PRIVATE KEY");
  });

  test.each([
    ["token", { token: null }, "token should be an object"],
    ["token.id", { token: { id: 1, secret: "0".repeat(26) } }, "id is not what it should be"],
    ["secret", { token: { id: "0".repeat(10) } }, "secret is missing"],
    ["request", { request: "x" }, "request is not what it should be"],
    ["nodeId", { nodeId: "../x" }, "nodeId is not what it should be"],
    ["name", { name: "a b\n" }, "name is not what it should be"],
    ["address", { address: "127.0.0.1" }, "a loopback address"],
    ["address", { address: "999.1.1.1" }, "address is no IP address"],
    ["ports", { ports: { join: 0, client: 1, peer: 1 } }, "ports.join is not a port"],
    ["ports", { ports: [] }, "ports should be an object"],
    ["wish", { wish: "king" }, "wish is not what it should be"],
  ])("sends a bad %s and is told which field it was", async (_, field, message) => {
    const request = { ...(await body("b")), ...field };
    await expect(ask(where, paths.join, request, authority())).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining(message),
    });
  });

  test.each([
    ["no JSON", "POST", paths.join, "{token", 400, "it is not JSON"],
    ["an array", "POST", paths.join, "[]", 400, "the request should be an object"],
    ["too much", "POST", paths.join, `"${"x".repeat(longestBody)}"`, 400, "larger than"],
    ["another path", "POST", "/v1/other", "{}", 404, "there is no such request"],
    ["another method", "GET", paths.join, "", 404, "there is no such request"],
    ["what needs a certificate", "POST", paths.promote, "{}", 401, "needs a certificate of the cluster"],
    ["what needs a certificate", "POST", paths.renew, "{}", 401, "needs a certificate of the cluster"],
    ["what needs a certificate", "POST", paths.look, "{}", 401, "needs a certificate of the cluster"],
  ] as const)("sends %s (%s %s) and gets JSON back", async (_, method, path, text, status, message) => {
    const answer = await raw(
      `${method} ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    );
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")))).toEqual({
      message: expect.stringContaining(message),
    });
  });
});

/** What the server answers to these bytes. */
async function raw(text: string): Promise<string> {
  const socket = connectTls({ ...where, ca: site.authority.certificate, servername: memberName });
  return await exchange(socket, text);
}

async function exchange(socket: Socket, text: string): Promise<string> {
  let answer = "";
  socket.on("data", (chunk) => {
    answer += String(chunk);
  });
  socket.on("error", () => undefined);
  socket.write(text);
  await once(socket, "close");
  return answer;
}

describe("a host with a certificate", () => {
  const request = async (digit: string) => ({ request: (await createRequest(nodeIdOf(digit))).request });

  test("renews it, becomes a member when that was offered, and asks where the members are", async () => {
    const { credentials } = await join("b", await site.tokens.create());
    await expect(ask(where, paths.renew, await request("b"), credentials)).resolves.toHaveProperty(
      "certificate",
    );
    await expect(ask(where, paths.promote, await request("b"), credentials)).rejects.toMatchObject({
      kind: "forbidden",
    });
    await expect(ask(where, paths.look, {}, credentials)).resolves.toMatchObject({
      members: [{ address: "192.0.2.1" }],
    });
  });

  test("of another authority is refused, whatever it says it is", async () => {
    const impostor = { ...site, authority: await createAuthority("c0".repeat(16), { now: new Date() }) };
    const { certificate, key } = await credentialsOf(impostor, "a", "member", "192.0.2.1");
    const credentials = { ...authority(), certificate, key };
    await expect(ask(where, paths.look, {}, credentials)).rejects.toMatchObject({
      kind: "forbidden",
      message: expect.stringContaining("the certificate shown is not good here"),
    });
  });

  test("that has expired is refused", async () => {
    site.time -= 200 * 86_400_000;
    const old = await credentialsOf(site, "a", "node", "192.0.2.1");
    await expect(ask(where, paths.look, {}, old)).rejects.toThrow(/CERT_HAS_EXPIRED/);
  });

  test("that was removed is refused", async () => {
    const { credentials } = await join("b", await site.tokens.create());
    await site.tables.admissions.delete(nodeIdOf("b"));
    await expect(ask(where, paths.look, {}, credentials)).rejects.toMatchObject({ kind: "forbidden" });
  });
});

describe("what is no join port", () => {
  async function serve(onConnection: (socket: Socket) => void): Promise<Where> {
    const server: Server = createServer(onConnection).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const address = server.address();
    return { host: "127.0.0.1", port: typeof address === "object" && address ? address.port : 0 };
  }
  const fetch = (at: Where) => fetchAuthority(at, Buffer.alloc(32));

  test("is called by its name when nothing listens", async () => {
    const at = { host: "127.0.0.1", port: 1 };
    await expect(fetch(at)).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(
        /^reach 127\.0\.0\.1:[0-9]+: nothing listens there: does the daemon run/,
      ),
    });
  });

  test("is called by its name when it speaks something else", async () => {
    const plain = await serve((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await expect(fetch(plain)).rejects.toThrow("what listens there is no join port");
    const mute = await serve((socket) => void socket.destroy());
    await expect(fetch(mute)).rejects.toMatchObject({ kind: "unavailable" });
  });

  test("does not understand us when the name does not resolve", async () => {
    await expect(fetch({ host: "no..where", port: 1 })).rejects.toThrow("the name does not resolve");
  });
});

test("the join port speaks TLS 1.3 and nothing older, and no clear text", async () => {
  const old = connectTls({
    ...where,
    ca: site.authority.certificate,
    servername: memberName,
    maxVersion: "TLSv1.2",
  });
  await expect(once(old, "secureConnect")).rejects.toThrow();
  expect(await exchange(connectPlain(where), "GET / HTTP/1.1\r\n\r\n")).not.toContain("message");
});

test("a new certificate is shown from its arrival on", async () => {
  const before = await credentialsOf(site, "a", "member", "127.0.0.1");
  const { admitting } = site;
  const { server, where: at } = await open({ credentials: before, admitting, log: silentLog });
  const serial = async () => {
    const socket = connectTls({ ...at, ca: before.authority, servername: memberName });
    await once(socket, "secureConnect");
    const shown = socket.getPeerX509Certificate()?.serialNumber;
    socket.destroy();
    return shown;
  };
  expect(await serial()).toBe(readHostCertificate(before.certificate).serial);
  const after = await credentialsOf(site, "a", "member", "127.0.0.1");
  server.renew(after);
  expect(await serial()).toBe(readHostCertificate(after.certificate).serial);
});

test("a port that is taken is named", async () => {
  const credentials = await credentialsOf(site, "a", "member", "127.0.0.1");
  const options = {
    address: "127.0.0.1",
    port: where.port,
    credentials,
    admitting: site.admitting,
    log: silentLog,
  };
  await expect(JoinServer.listen(options)).rejects.toMatchObject({
    kind: "unavailable",
    message: `listen on 127.0.0.1:${where.port}: the port is in use by another program`,
  });
});
