// Replies that a socket gives without being asked what they are.

import { expect, test } from "vitest";
import {
  connectSocket,
  type DatagramBatch,
  datagramBatch,
  datagramIn,
  onReadable,
  receiveDatagrams,
  sendDatagram,
} from "../../../src/kernel/datagrams.ts";
import { bindSocket, closeFd, socketAddress } from "../../../src/kernel/index.ts";
import { PreparedReplies } from "../../../src/kernel/prepared-replies.ts";
import { Lab } from "../lab.ts";
import { ip } from "../proxy/world.ts";

const whole = { from: 2, size: 0, count: 0 };
const bytes = (...parts: readonly (number | string)[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part >> 8, part & 255))),
  );

/** Two sockets that are connected: one asks, the other one has replies prepared. */
async function asker(lab: Lab) {
  const { netns } = await lab.segment("192.0.2.0/24").host("host");
  const socket = { netns, protocol: "udp", address: ip("127.0.0.1"), port: 0 } as const;
  const [fd, asking] = [await bindSocket(socket), await bindSocket(socket)];
  connectSocket(asking, ip("127.0.0.1"), socketAddress(fd).port);
  const prepared = new PreparedReplies();
  const [questions, answers] = [datagramBatch(1024), datagramBatch(1024)];
  /** What is left to answer of these questions, and what was answered. */
  const ask = async (version: number, ...asked: readonly Buffer[]) => {
    for (const question of asked) sendDatagram(asking, question);
    // a busy kernel hands over one now and another one later
    const [left, answered]: [Buffer[], Buffer[]] = [[], []];
    while (left.length + answered.length < asked.length) {
      await readable(fd, asking);
      const count = prepared.answer(version, fd, questions);
      left.push(...datagramsIn(questions, count).filter(({ length }) => length > 0));
      answered.push(...datagramsIn(answers, receiveDatagrams(asking, answers, true)));
    }
    return { left, answered };
  };
  const close = () => [fd, asking].forEach(closeFd);
  return { prepared, ask, [Symbol.dispose]: close };
}

function datagramsIn(batch: DatagramBatch, count: number): Buffer[] {
  return Array.from({ length: count }, (_, slot) => Buffer.from(datagramIn(batch, slot) ?? []));
}

/** One of them. */
function readable(...fds: readonly number[]): Promise<void> {
  return new Promise((resolve) => {
    const stops = fds.map((fd) =>
      onReadable(fd, () => {
        for (const stop of stops) stop();
        resolve();
      }),
    );
  });
}

test("a prepared reply goes under the id of each asker; what is not prepared is left", async () => {
  await using lab = await Lab.create();
  using sockets = await asker(lab);
  const { prepared, ask } = sockets;
  prepared.put(5, bytes(1, "c1"), bytes(1, "one"), whole);
  expect(await ask(5, bytes(0x1234, "c1"), bytes(7, "c2"), bytes(9, "c1"))).toEqual({
    left: [bytes(7, "c2")],
    answered: [bytes(0x1234, "one"), bytes(9, "one")],
  });
  expect(await ask(5, bytes(3, "c1"))).toEqual({ left: [], answered: [bytes(3, "one")] });
});

test("what was prepared for another version, or forgotten, is left", async () => {
  await using lab = await Lab.create();
  using sockets = await asker(lab);
  const { prepared, ask } = sockets;
  const question = bytes(1, "c1");
  prepared.put(5, question, bytes(1, "one"), whole);
  expect(await ask(6, question)).toEqual({ left: [question], answered: [] });
  prepared.put(6, bytes(1, "c2"), bytes(1, "two"), whole);
  expect(await ask(6, question)).toEqual({ left: [question], answered: [] });
  expect(await ask(6, bytes(2, "c2"))).toEqual({ left: [], answered: [bytes(2, "two")] });
  prepared.clear();
  expect(await ask(6, bytes(2, "c2"))).toEqual({ left: [bytes(2, "c2")], answered: [] });
});

test("parts of a reply change places, and nothing else does", async () => {
  await using lab = await Lab.create();
  using sockets = await asker(lab);
  const { prepared, ask } = sockets;
  prepared.put(1, bytes(1, "web"), bytes(1, "<aabbcc>"), { from: 3, size: 2, count: 3 });
  const seen = new Set<string>();
  for (let round = 0; round < 30; round++) {
    const { answered } = await ask(1, ...Array.from({ length: 10 }, () => bytes(2, "web")));
    for (const one of answered) seen.add(one.toString("latin1", 2));
  }
  expect([...seen].sort()).toEqual(["<aabbcc>", "<aaccbb>", "<bbaacc>", "<bbccaa>", "<ccaabb>", "<ccbbaa>"]);
});

test("many questions, and long ones, are not remembered, nor are parts beyond the reply taken", async () => {
  await using lab = await Lab.create();
  using sockets = await asker(lab);
  const { prepared, ask } = sockets;
  for (let at = 0; at < 513; at++) prepared.put(1, bytes(1, `c${at}`), bytes(1, "one"), whole);
  const long = "x".repeat(300);
  prepared.put(1, bytes(1, long), bytes(1, "one"), whole);
  prepared.put(1, bytes(1, "long reply"), bytes(1, "x".repeat(600)), whole);
  const { left, answered } = await ask(
    1,
    bytes(1, "c0"),
    bytes(1, "c512"),
    bytes(1, long),
    bytes(1, "long reply"),
  );
  expect(left.map(({ length }) => length)).toEqual([4, 302, 12]);
  expect(answered).toEqual([bytes(1, "one")]);
  expect(() => prepared.put(1, bytes(1, "c1"), bytes(1, "one"), { from: 3, size: 2, count: 2 })).toThrow(
    RangeError,
  );
});
