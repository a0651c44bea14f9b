// Requests in one sendmsg, and which answer is whose.

import { describe, expect, it } from "vitest";
import { encodeBatch, lastExpecting, readOutcome } from "../../../src/kernel/batch.ts";
import {
  decodeMessages,
  Encoder,
  headerSize,
  type Message,
  nlmFlag,
  nlmType,
} from "../../../src/kernel/codec.ts";
import type { Request } from "../../../src/kernel/request.ts";

const request = (words: string, flags: number = nlmFlag.ack, size = 4): Request => ({
  type: 16,
  flags,
  payload: Buffer.alloc(size, 1),
  words,
});

function errorMessage(sequence: number, errno: number, text?: string): Message {
  const start = Buffer.alloc(4 + headerSize);
  start.writeInt32LE(-errno);
  const rest = text === undefined ? [] : [new Encoder().string(1, text).finish()];
  const flags = text === undefined ? 0 : nlmFlag.ackTlvs;
  return { type: nlmType.error, flags, sequence, payload: Buffer.concat([start, ...rest]) };
}

describe("a batch", () => {
  it("numbers its requests one after the other and marks them as requests", () => {
    const { bytes } = encodeBatch([request("a", 0, 5), request("b", nlmFlag.ack, 8)], 41);
    const [a, b, ...rest] = decodeMessages(bytes);
    expect(rest).toEqual([]);
    expect([a?.sequence, a?.flags, a?.payload.length]).toEqual([41, nlmFlag.request, 5]);
    expect([b?.sequence, b?.flags, b?.payload.length]).toEqual([42, nlmFlag.request | nlmFlag.ack, 8]);
  });

  it("says where in its bytes the namespace descriptors go", () => {
    const withFile = { ...request("b"), files: [{ offset: 0, path: "/run/netns/b" }] };
    const { files } = encodeBatch([request("a", 0, 5), withFile], 1);
    expect(files).toEqual([headerSize + 8 + headerSize, "/run/netns/b"]);
  });

  it("ends with its last request that expects an answer", () => {
    expect(lastExpecting([request("a", 0), request("b"), request("end", 0)])).toBe(1);
    expect(lastExpecting([request("a"), request("dump", nlmFlag.dump)])).toBe(1);
    expect(lastExpecting([request("a", 0), request("b", 0)])).toBe(1);
  });
});

describe("the outcome of a batch", () => {
  const batch = [request("ip link add a"), request("ip link add b")];

  it("is empty when all was acknowledged", () => {
    const outcome = readOutcome(batch, 7, [errorMessage(7, 0), errorMessage(8, 0)]);
    expect(outcome).toEqual({ answers: [], errors: [] });
  });

  it("puts the errno and the kernel's own words behind the request's", () => {
    const { errors } = readOutcome(batch, 7, [errorMessage(7, 17, "Device exists."), errorMessage(8, 19)]);
    expect(errors.map(({ message }) => message)).toEqual([
      "ip link add a: file exists: device exists",
      "ip link add b: no such device",
    ]);
    expect(errors.map(({ code, errno }) => [code, errno])).toEqual([
      ["EEXIST", 17],
      ["ENODEV", 19],
    ]);
    expect(errors[0]?.request).toBe(batch[0]);
  });

  it("leaves abbreviations at the start of the kernel's words alone", () => {
    const { errors } = readOutcome(batch, 7, [errorMessage(7, 22, "IPv6 is disabled"), errorMessage(8, 0)]);
    expect(errors[0]?.message).toBe("ip link add a: invalid argument: IPv6 is disabled");
  });

  it("assigns answers to their requests and ignores those of earlier exchanges", () => {
    const answer = (sequence: number) => ({ type: 16, flags: 0, sequence, payload: Buffer.from([sequence]) });
    const { answers } = readOutcome(batch, 7, [answer(3), answer(8), errorMessage(7, 0), errorMessage(8, 0)]);
    expect(answers.map(({ request, payload }) => [request, payload[0]])).toEqual([[1, 8]]);
  });

  it("is an error when the last request was not answered at all", () => {
    expect(() => readOutcome(batch, 7, [errorMessage(7, 0)])).toThrow("the kernel did not answer");
  });

  it("is the one error when a transaction is refused as a whole", () => {
    const { errors } = readOutcome(batch, 7, [errorMessage(7, 1)]);
    expect(errors.map(({ code }) => code)).toEqual(["EPERM"]);
  });

  it("takes a negative end of dump for an error", () => {
    const done = Buffer.alloc(4);
    done.writeInt32LE(-2);
    const dump = [request("ip route show", nlmFlag.dump)];
    const { errors } = readOutcome(dump, 1, [{ type: nlmType.done, flags: 0, sequence: 1, payload: done }]);
    expect(errors.map(({ code }) => code)).toEqual(["ENOENT"]);
  });
});
