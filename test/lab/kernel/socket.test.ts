// Sockets bound inside namespaces.

import dgram from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import { describe, expect, it } from "vitest";
import {
  bindSocket,
  bindSockets,
  bindSocketsNow,
  closeFd,
  type SocketSpec,
  socketAddress,
  tryBindSockets,
} from "../../../src/kernel/index.ts";
import { address } from "../../unit/kernel/values.ts";
import { leakedFds, Namespaces } from "./namespaces.ts";

const local = address("127.0.0.1");

describe("a bound socket", () => {
  it("stays in the namespace it was opened in", async () => {
    await using lab = await Namespaces.create("a", "b");
    const spec = { protocol: "udp", address: local, port: 5353 } as const;
    const a = await bindSocket({ ...spec, netns: lab.path("a") });
    const b = await bindSocket({ ...spec, netns: lab.path("b") });
    expect(socketAddress(a)).toEqual({ address: local, port: 5353 });
    closeFd(a);
    closeFd(b);
  });

  it("answers datagrams in Node's hands", async () => {
    await using lab = await Namespaces.create("a");
    const spec = { netns: lab.path("a"), protocol: "udp", address: local } as const;
    const [server, client] = [dgram.createSocket("udp4"), dgram.createSocket("udp4")];
    server.on("message", (message, from) => server.send(`${message}!`, from.port, from.address));
    for (const [socket, port] of [[server, 5353] as const, [client, 0] as const]) {
      const fd = await bindSocket({ ...spec, port });
      await new Promise<void>((done) => socket.bind({ fd }, done));
    }
    client.send("hello", 5353, "127.0.0.1");
    const [answer] = await once(client, "message");
    expect(String(answer)).toBe("hello!");
    server.close();
    client.close();
  });

  it("accepts connections in Node's hands", async () => {
    await using lab = await Namespaces.create("a");
    const fd = await bindSocket({
      netns: lab.path("a"),
      protocol: "tcp",
      address: address("::"),
      port: 8080,
      listen: 16,
      dualStack: true,
    });
    const server = net.createServer((socket) => socket.end("hello"));
    server.listen({ fd });
    await once(server, "listening");
    expect(await lab.run("a", "busybox", "nc", "127.0.0.1", "8080")).toBe("hello");
    expect(await lab.run("a", "busybox", "nc", "::1", "8080")).toBe("hello");
    server.close();
  });

  it("on :: leaves IPv4 to others unless it is dual-stack", async () => {
    await using lab = await Namespaces.create("a");
    const any = { netns: lab.path("a"), protocol: "tcp", port: 8080 } as const;
    const fds = await bindSockets([
      { ...any, address: address("::") },
      { ...any, address: address("0.0.0.0") },
    ]);
    fds.forEach(closeFd);
    await expect(
      bindSockets([
        { ...any, address: address("::"), dualStack: true },
        { ...any, address: address("0.0.0.0") },
      ]),
    ).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  it("that cannot be had says which and why", async () => {
    await using lab = await Namespaces.create("a");
    const netns = lab.path("a");
    const fd = await bindSocket({ netns, protocol: "tcp", address: local, port: 80 });
    await expect(bindSocket({ netns, protocol: "tcp", address: local, port: 80 })).rejects.toMatchObject({
      code: "EADDRINUSE",
      message: "bind 127.0.0.1:80/tcp: address already in use",
    });
    await expect(
      bindSocket({ netns, protocol: "udp", address: address("2001:db8::1"), port: 53 }),
    ).rejects.toThrow("bind [2001:db8::1]:53/udp: cannot assign requested address");
    await expect(
      bindSocket({ netns: "/run/none", protocol: "tcp", address: local, port: 80 }),
    ).rejects.toThrow("bind 127.0.0.1:80/tcp: no such file or directory: open /run/none");
    closeFd(fd);
  });

  it("can have an address that is not there, when asked for", async () => {
    await using lab = await Namespaces.create("a");
    const fds = await bindSockets(
      ["192.0.2.1", "2001:db8::1"].map((text) => ({
        netns: lab.path("a"),
        protocol: "udp" as const,
        address: address(text),
        port: 53,
        freeBind: true,
        packetInfo: true,
      })),
    );
    expect(fds.map(socketAddress).map(({ port }) => port)).toEqual([53, 53]);
    fds.forEach(closeFd);
  });
});

describe("many sockets", () => {
  const range = (netns: string, first: number, count: number): SocketSpec[] =>
    Array.from({ length: count }, (_, at) => ({ netns, protocol: "tcp", address: local, port: first + at }));

  it("are bound in one call", async () => {
    await using lab = await Namespaces.create("a");
    const fds = await bindSockets(range(lab.path("a"), 20000, 3000));
    expect(new Set(fds).size).toBe(3000);
    fds.forEach(closeFd);
  });

  it("are bound all or none, and the taken one is named", async () => {
    await using lab = await Namespaces.create("a");
    const taken = await bindSocket({ netns: lab.path("a"), protocol: "tcp", address: local, port: 20050 });
    const refused = () =>
      expect(bindSockets(range(lab.path("a"), 20000, 100))).rejects.toThrow(
        "bind 127.0.0.1:20050/tcp: address already in use",
      );
    expect(await leakedFds(refused)).toBe(0);
    closeFd(taken);
  });

  it("are tried one by one, when asked for, across namespaces", async () => {
    await using lab = await Namespaces.create("a", "b");
    const one = { protocol: "tcp", address: local, port: 80 } as const;
    const outcomes = await tryBindSockets([
      { ...one, netns: lab.path("a") },
      { ...one, netns: lab.path("a") },
      { ...one, netns: "/run/none" },
      { ...one, netns: lab.path("b") },
    ]);
    const codes = outcomes.map((outcome) =>
      typeof outcome === "number" ? "bound" : "code" in outcome && outcome.code,
    );
    expect(codes).toEqual(["bound", "EADDRINUSE", "ENOENT", "bound"]);
    for (const outcome of outcomes) if (typeof outcome === "number") closeFd(outcome);
  });

  it("can be had at once in the own namespace, and only there", () => {
    const fds = bindSocketsNow([{ protocol: "udp", address: local, port: 0 }]);
    expect(fds.map(socketAddress)[0]?.port).toBeGreaterThan(0);
    fds.forEach(closeFd);
    expect(() => bindSocketsNow(range("/run/none", 1, 1))).toThrow("another network namespace");
  });
});
