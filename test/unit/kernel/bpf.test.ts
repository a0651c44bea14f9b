// eBPF programs as bytes, and the messages of traffic control: against known encodings.

import { describe, expect, test } from "vitest";
import { decodeFilter, getFilter } from "../../../src/kernel/bpf/filter.ts";
import { Encoder } from "../../../src/kernel/codec.ts";
import { bpf } from "../../../src/kernel/index.ts";

const { assemble, calculate, call, exit, helper, jump, jumpIf, label, load, loadMap, move, store } = bpf;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
/** A step's own slots. */
const encoded = (step: Parameters<typeof assemble>[0][number]) => hex(assemble([step]));

describe("an instruction", () => {
  test.for([
    ["r6 = *(u32 *)(r1 + 76)", load(4, "r6", "r1", 76), "61164c0000000000"],
    ["r1 = *(u8 *)(r7 + 23)", load(1, "r1", "r7", 23), "7171170000000000"],
    ["r1 = *(u16 *)(r7 + 36)", load(2, "r1", "r7", 36), "6971240000000000"],
    ["r3 = *(u64 *)(r0 + 16)", load(8, "r3", "r0", 16), "7903100000000000"],
    ["*(u32 *)(r10 - 4) = r1", store(4, "r10", -4, "r1"), "631afcff00000000"],
    ["*(u64 *)(r10 - 16) = r1", store(8, "r10", -16, "r1"), "7b1af0ff00000000"],
    ["*(u32 *)(r10 - 4) = 7", store(4, "r10", -4, 7), "620afcff07000000"],
    ["r6 = r1", move("r6", "r1"), "bf16000000000000"],
    ["r0 = -1", move("r0", -1), "b7000000ffffffff"],
    ["r2 += -16", calculate("r2", "+", -16), "07020000f0ffffff"],
    ["r2 <<= 16", calculate("r2", "<<", 16), "6702000010000000"],
    ["r1 |= r2", calculate("r1", "|", "r2"), "4f21000000000000"],
    ["r5 &= 2", calculate("r5", "&", 2), "5705000002000000"],
    ["r1 = map 9 ll", loadMap("r1", 9), "18110000090000000000000000000000"],
    ["call bpf_redirect_peer", call(helper.redirectPeer), "850000009b000000"],
    ["exit", exit(), "9500000000000000"],
  ] as const)("%s", ([, step, bytes]) => {
    expect(encoded(step)).toBe(bytes);
  });

  test.for([
    ["==", "1501010008000000"],
    ["!=", "5501010008000000"],
    [">", "2501010008000000"],
    [">=", "3501010008000000"],
    ["<", "a501010008000000"],
    ["<=", "b501010008000000"],
    ["&", "4501010008000000"],
  ] as const)("jumps where r1 %s 8", ([condition, bytes]) => {
    const steps = [jumpIf("r1", condition, 8, "end"), exit(), label("end"), exit()];
    expect(hex(assemble(steps)).slice(0, 16)).toBe(bytes);
  });

  test("jumps over what takes two slots", () => {
    const steps = [
      jumpIf("r1", ">", "r8", "end"),
      loadMap("r1", 3),
      jump("end"),
      exit(),
      label("end"),
      exit(),
    ];
    const bytes = hex(assemble(steps));
    expect(bytes.slice(0, 16)).toBe("2d81040000000000");
    expect(bytes.slice(48, 64)).toBe("0500010000000000");
  });

  test("does not jump to nowhere, and not back", () => {
    expect(() => assemble([jump("end"), exit()])).toThrow("no label end");
    expect(() => assemble([label("loop"), jump("loop")])).toThrow("no label loop");
    expect(() => assemble([label("a"), label("a")])).toThrow("two labels are named a");
  });

  test("has no number that is not of 32 bits", () => {
    expect(() => assemble([move("r1", 2 ** 31)])).toThrow(RangeError);
    expect(() => assemble([load(4, "r1", "r2", 2 ** 15)])).toThrow(RangeError);
  });
});

describe("a filter on a link", () => {
  test("is what `tc filter replace` says", () => {
    const { type, payload, words } = bpf.setFilter(5, { fd: 7, name: "tx" });
    expect(type).toBe(44);
    expect(hex(payload)).toBe(
      [
        "00000000050000000100000" + "0f2ffffff" + "00037374", // family, link, handle, parent, priority and protocol
        "0800010062706600", // kind
        "1c000280" + "0800060007000000" + "0700070074780000" + "0800080001000000",
      ].join(""),
    );
    expect(words).toBe("tc filter replace dev if5 ingress prio 29811 handle 1 bpf da fd 7 name tx");
  });

  test("stands on clsact, made where it is not there", () => {
    const { type, flags, payload } = bpf.addClsact(5);
    expect([type, flags]).toEqual([36, 0x404]);
    expect(hex(payload)).toBe("00000000050000000000fffff1ffffff00000000" + "0b000100636c7361637400" + "00");
  });

  test("is asked for and taken away by what it was made with", () => {
    const [made, asked, gone] = [bpf.setFilter(5, { fd: 7, name: "tx" }), getFilter(5), bpf.deleteFilter(5)];
    expect([asked.type, gone.type]).toEqual([46, 45]);
    for (const { payload } of [asked, gone]) expect(hex(payload)).toBe(hex(made.payload.subarray(0, 28)));
  });

  test("is read with the id of its program", () => {
    const answer = new Encoder()
      .struct(Buffer.from(getFilter(5).payload))
      .nest(2, (options) => options.string(7, "tx").u32(11, 99));
    expect(decodeFilter(Buffer.from(answer.finish()))).toEqual({ link: 5, program: 99 });
    expect(decodeFilter(Buffer.from(getFilter(5).payload))).toBeUndefined();
  });
});
