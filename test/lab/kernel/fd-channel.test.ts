// Channels that carry messages and descriptors between processes.

import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type ChannelListener,
  type ChannelMessage,
  channelPair,
  closeFd,
  connectChannel,
  type FdChannel,
  listenChannel,
  openChannel,
} from "../../../src/kernel/index.ts";
import { openFds } from "./namespaces.ts";

/** A listener that keeps what it hears. */
function recorder() {
  const messages: ChannelMessage[] = [];
  const end = Promise.withResolvers<Error | undefined>();
  const listener: ChannelListener = { message: (message) => messages.push(message), closed: end.resolve };
  return { messages, closed: end.promise, listener };
}

function pair() {
  const [left, right] = channelPair();
  const [a, b] = [recorder(), recorder()];
  const ends = { a: openChannel(left, a.listener), b: openChannel(right, b.listener) };
  return { ...ends, atA: a, atB: b };
}

const text = (message: ChannelMessage | undefined) => message?.bytes.toString();

describe("a channel", () => {
  it("carries messages whole and in order, both ways", async () => {
    const { a, b, atA, atB } = pair();
    for (let i = 0; i < 50; i++)
      await Promise.all([a.send(Buffer.from(`a${i}`)), b.send(Buffer.from(`b${i}`))]);
    await expect.poll(() => [atA.messages.length, atB.messages.length]).toEqual([50, 50]);
    expect(text(atB.messages[49])).toBe("a49");
    expect(text(atA.messages[49])).toBe("b49");
    a.close();
    expect(await atB.closed).toBeUndefined();
    expect(await atA.closed).toBeUndefined();
  });

  it("hands descriptors over: the receiver's outlives the sender's", async () => {
    const { a, atB } = pair();
    const file = join(tmpdir(), `tsdocker-fd-${process.pid}`);
    const fd = openSync(file, "w");
    await a.send(Buffer.from("file"), [fd]);
    closeSync(fd);
    await expect.poll(() => atB.messages.length).toBe(1);
    const [received] = atB.messages[0]?.fds ?? [];
    writeSync(received ?? -1, "written");
    closeFd(received ?? -1);
    expect(readFileSync(file, "utf8")).toBe("written");
    rmSync(file);
    a.close();
    await atB.closed;
  });

  it("carries as many as 253 descriptors at a time, and no more", async () => {
    const before = openFds();
    const { a, b, atB } = pair();
    const fds = Array.from({ length: 253 }, () => 1);
    await a.send(Buffer.from("x"), fds);
    await expect.poll(() => atB.messages[0]?.fds.length).toBe(253);
    atB.messages[0]?.fds.forEach(closeFd);
    await expect(a.send(Buffer.from("x"), [...fds, 1])).rejects.toThrow("253");
    a.close();
    b.close();
    expect(openFds()).toBe(before);
  });

  it("waits for a reader that is slow, and keeps the order", async () => {
    const [left, right] = channelPair();
    const a = openChannel(left, recorder().listener);
    const sends = Array.from({ length: 200 }, (_, at) =>
      a.send(Buffer.alloc(20_000, at), at % 10 ? [] : [1]),
    );
    const late = recorder();
    const b = openChannel(right, late.listener);
    await Promise.all(sends);
    await expect.poll(() => late.messages.length).toBe(200);
    expect(late.messages.map(({ bytes }) => bytes[0])).toEqual(Array.from({ length: 200 }, (_, at) => at));
    for (const { fds } of late.messages) fds.forEach(closeFd);
    a.close();
    b.close();
  });

  it("fails what was not sent when it is closed", async () => {
    const [left, right] = channelPair();
    const a = openChannel(left, recorder().listener);
    const sends = Array.from({ length: 50 }, () => a.send(Buffer.alloc(20_000, 1)));
    const settled = Promise.allSettled(sends);
    a.close();
    a.close();
    expect((await settled).at(-1)).toMatchObject({ status: "rejected" });
    await expect(a.send(Buffer.from("x"))).rejects.toThrow("it is closed");
    closeFd(right);
  });

  it("refuses an empty message, which would read as the end", async () => {
    const { a, b } = pair();
    await expect(a.send(Buffer.alloc(0))).rejects.toThrow("empty message");
    a.close();
    b.close();
  });

  it("refuses what is larger than a message may be", async () => {
    const { a, b } = pair();
    await expect(a.send(Buffer.alloc(64 << 20))).rejects.toMatchObject({ code: "EMSGSIZE" });
    a.close();
    b.close();
  });

  it("reaches a child through its stdio", async () => {
    const [mine, its] = channelPair();
    const { messages, listener, closed } = recorder();
    const channel = openChannel(mine, listener);
    const child = spawn("sh", ["-c", "exec >&3; printf hello"], {
      stdio: ["ignore", "ignore", "ignore", its],
    });
    closeFd(its);
    await closed;
    expect(text(messages[0])).toBe("hello");
    channel.close();
    expect(child.pid).toBeGreaterThan(0);
  });
});

describe("a listening channel", () => {
  it("takes any number of connections, and they hear when the other end goes", async () => {
    const path = join(tmpdir(), `tsdocker-channel-${process.pid}`);
    const before = openFds();
    const server = listenChannel(path, (fd) => {
      const channel: FdChannel = openChannel(fd, {
        message: ({ bytes }) => void channel.send(Buffer.from(`${bytes}!`)),
        closed: () => undefined,
      });
    });
    const clients = Array.from({ length: 10 }, () => recorder());
    const channels = clients.map(({ listener }) => connectChannel(path, listener));
    await Promise.all(channels.map((channel, at) => channel.send(Buffer.from(`${at}`))));
    await expect
      .poll(() => clients.map(({ messages }) => text(messages[0])))
      .toEqual(clients.map((_, at) => `${at}!`));
    for (const channel of channels) channel.close();
    server.close();
    await expect.poll(() => openFds()).toBe(before);
    expect(() => connectChannel(path, recorder().listener)).toThrow(`connect ${path}: connection refused`);
    rmSync(path);
    expect(() => connectChannel(path, recorder().listener)).toThrow(`connect ${path}: no such file`);
  });

  it("does not take a path that is taken", () => {
    const path = join(tmpdir(), `tsdocker-channel-taken-${process.pid}`);
    const server = listenChannel(path, () => undefined);
    expect(() => listenChannel(path, () => undefined)).toThrow("address already in use");
    expect(fstatSync(1)).toBeDefined();
    server.close();
    rmSync(path);
  });
});
