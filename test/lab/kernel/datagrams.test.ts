// Datagrams in batches: how many there are, and how large, is nothing that the peers see.

import { expect, test } from "vitest";
import {
  connectSocket,
  type DatagramBatch,
  datagramBatch,
  datagramIn,
  onReadable,
  peerOf,
  putDatagram,
  putPeer,
  receiveDatagrams,
  sendDatagrams,
} from "../../../src/kernel/datagrams.ts";
import { bindSocket, closeFd, socketAddress } from "../../../src/kernel/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import { ip } from "../proxy/world.ts";

async function socketOf({ netns }: LabHost, address: string): Promise<number> {
  return await bindSocket({ netns, protocol: "udp", address: ip(address), port: 0 });
}

/** Puts datagrams of these sizes into slots, each filled with its place. */
function fill(batch: DatagramBatch, sizes: readonly number[]): void {
  for (const [slot, size] of sizes.entries()) putDatagram(batch, slot, Buffer.alloc(size, slot + 1));
}

async function readable(fd: number): Promise<void> {
  const ready = Promise.withResolvers<void>();
  const stop = onReadable(fd, () => ready.resolve());
  await ready.promise;
  stop();
}

/** Waits for so many, and tells their sizes by what they are filled with. */
async function received(fd: number, count: number): Promise<Map<number, number>> {
  const batch = datagramBatch(32_768);
  const sizes = new Map<number, number>();
  while (sizes.size < count) {
    await readable(fd);
    const came = receiveDatagrams(fd, batch, true);
    for (let slot = 0; slot < came; slot++) {
      const bytes = datagramIn(batch, slot) ?? Buffer.alloc(0);
      expect(bytes.equals(Buffer.alloc(bytes.length, bytes[0]))).toBe(true);
      sizes.set(bytes[0] ?? 0, bytes.length);
    }
  }
  return sizes;
}

const numbered = (sizes: readonly number[]) => new Map(sizes.map((size, at) => [at + 1, size]));

test("datagrams of many sizes to one peer arrive one by one, as large as they were", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24");
  const [a, b] = [await lan.host("a"), await lan.host("b")];
  const sizes = [40, 40, 40, 41, 40, 9, 9, 1400, 1400, 40, ...Array.from({ length: 30 }, () => 1472)];
  for (const [from, to, address] of [
    [a, b, "192.0.2.2"],
    [a, a, "192.0.2.1"],
  ] as const) {
    const [sending, receiving] = [await socketOf(from, "0.0.0.0"), await socketOf(to, address)];
    connectSocket(sending, ip(address), socketAddress(receiving).port);
    const batch = datagramBatch(2048);
    fill(batch, sizes);
    sendDatagrams(sending, batch, sizes.length, true);
    expect(await received(receiving, sizes.length)).toEqual(numbered(sizes));
    for (const fd of [sending, receiving]) closeFd(fd);
  }
});

test("those that are larger than a packet, or together than the largest datagram, arrive too", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24");
  const [a, b] = [await lan.host("a"), await lan.host("b")];
  const [sending, receiving] = [await socketOf(a, "0.0.0.0"), await socketOf(b, "192.0.2.2")];
  connectSocket(sending, ip("192.0.2.2"), socketAddress(receiving).port);
  const sizes = [4000, 4000, 4000, 30_000, 30_000, 30_000];
  const batch = datagramBatch(32_768);
  fill(batch, sizes);
  sendDatagrams(sending, batch, sizes.length, true);
  expect(await received(receiving, sizes.length)).toEqual(numbered(sizes));
  for (const fd of [sending, receiving]) closeFd(fd);
});

test("each peer gets what is for it", async () => {
  await using lab = await Lab.create();
  const host = await lab.segment("192.0.2.0/24").host("host");
  const peers = await Promise.all(
    ["127.0.0.1", "127.0.0.1", "192.0.2.1"].map((address) => socketOf(host, address)),
  );
  const asked = await socketOf(host, "0.0.0.0");
  const port = socketAddress(asked).port;
  const question = datagramBatch(64);
  for (const [at, peer] of peers.entries()) {
    connectSocket(peer, ip(at < 2 ? "127.0.0.1" : "192.0.2.1"), port);
    fill(question, [at + 1]);
    sendDatagrams(peer, question, 1, true);
  }
  const [questions, answers] = [datagramBatch(64), datagramBatch(64)];
  const askers: Buffer[] = [];
  // a busy kernel hands over one now and another one later
  while (askers.length < 3) {
    await readable(asked);
    const came = receiveDatagrams(asked, questions);
    for (let slot = 0; slot < came; slot++) askers.push(peerOf(questions, slot));
  }
  for (let slot = 0; slot < 12; slot++) {
    putPeer(answers, slot, askers[slot % 3] ?? Buffer.alloc(0));
    putDatagram(answers, slot, Buffer.alloc(slot === 9 ? 5 : 20, slot + 1));
  }
  sendDatagrams(asked, answers, 12);
  const mine = (at: number) => [0, 1, 2, 3].map((round) => round * 3 + at);
  for (const [at, peer] of peers.entries()) {
    const expected = new Map(mine(at).map((slot) => [slot + 1, slot === 9 ? 5 : 20]));
    expect(await received(peer, 4)).toEqual(expected);
  }
  for (const fd of [asked, ...peers]) closeFd(fd);
});
