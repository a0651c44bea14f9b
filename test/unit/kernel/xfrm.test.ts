// Messages of XFRM against the layouts of linux/xfrm.h, byte by byte.

import { describe, expect, test } from "vitest";
import {
  Attributes,
  addAssociation,
  decodeAssociation,
  decodePolicy,
  deleteAssociation,
  deletePolicy,
  setPolicy,
} from "../../../src/kernel/index.ts";
import { address } from "./values.ts";

const key = Uint8Array.from({ length: 20 }, (_, at) => at + 1);
const association = {
  source: address("192.0.2.1"),
  target: address("192.0.2.2"),
  spi: 0x1000_2003,
  requestId: 0x7473_6400,
  key,
};
const association6 = { ...association, source: address("2001:db8::1"), target: address("2001:db8::2") };

const zeros = (bytes: number) => "00".repeat(bytes);
const buffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** struct xfrm_usersa_info, field after field. */
function usersaInfo({ target, source, family }: { target: string; source: string; family: string }): string {
  return [
    zeros(56), // sel: any packet
    target,
    "10002003", // id.spi
    "32000000", // id.proto 50, padding
    source,
    "ff".repeat(32), // lft: byte and packet limits: XFRM_INF
    zeros(32), // lft: no limits of time
    zeros(32), // curlft
    zeros(12), // stats
    zeros(4), // seq
    "00647374", // reqid
    family,
    "00", // mode: transport
    "00", // replay_window: in the attribute
    "80", // flags: XFRM_STATE_ESN
    zeros(7), // padding to 8
  ].join("");
}

describe("an association", () => {
  test("is written as struct xfrm_usersa_info, the cipher and the replay window", () => {
    const { type, flags, payload } = addAssociation(association);
    // XFRM_MSG_NEWSA; NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE
    expect([type, flags]).toEqual([0x10, 0x604]);
    const info = usersaInfo({
      target: `c0000202${zeros(12)}`,
      source: `c0000201${zeros(12)}`,
      family: "0200",
    });
    expect(buffer(payload).subarray(0, 224).toString("hex")).toBe(info);
    const attributes = new Attributes(buffer(payload).subarray(224));
    const name = Buffer.from("rfc4106(gcm(aes))").toString("hex");
    const aead = `${name}${zeros(64 - 17)}a0000000${"80000000"}${Buffer.from(key).toString("hex")}`;
    expect(attributes.bytes(18)?.toString("hex")).toBe(aead);
    // bmp_len 32, oseq, seq, oseq_hi, seq_hi, replay_window 1024, bmp
    expect(attributes.bytes(23)?.toString("hex")).toBe(`20000000${zeros(16)}00040000${zeros(128)}`);
  });

  test("is written for IPv6 too", () => {
    const { payload } = addAssociation(association6);
    const target = "20010db8000000000000000000000002";
    const source = "20010db8000000000000000000000001";
    const info = usersaInfo({ target, source, family: "0a00" });
    expect(buffer(payload).subarray(0, 224).toString("hex")).toBe(info);
  });

  test.each([association, association6])("is read as it was written", (each) => {
    const found = decodeAssociation(buffer(addAssociation(each).payload));
    expect(found && { ...found, key: Uint8Array.from(found.key) }).toEqual(each);
  });

  test("of another protocol, mode or cipher is none of ours", () => {
    const change = (at: number, byte: number) => {
      const payload = Buffer.from(addAssociation(association).payload);
      payload.writeUInt8(byte, at);
      return decodeAssociation(payload);
    };
    // AH, a tunnel, another name
    expect([change(76, 51), change(214, 1), change(224 + 4, 0x78)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(decodeAssociation(Buffer.alloc(10))).toBeUndefined();
  });

  test("is deleted by struct xfrm_usersa_id", () => {
    const { type, payload } = deleteAssociation(association);
    expect(type).toBe(0x11);
    expect(buffer(payload).toString("hex")).toBe(`c0000202${zeros(12)}10002003${"0200"}32${"00"}`);
  });

  test("has no key in its words", () => {
    const requests = [addAssociation(association), deleteAssociation(association)];
    expect(requests.map(({ words }) => words)).toEqual([
      "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x10002003",
      "ip xfrm state delete dst 192.0.2.2 proto esp spi 0x10002003",
    ]);
  });
});

describe("a policy", () => {
  const policy = {
    selector: { source: association.source, target: association.target, protocol: 17, targetPort: 4789 },
    mark: { value: 0x747365, mask: 0xffffff },
    requestId: 0x7473_6400,
    spi: 0x1000_2003,
  };
  const selector = [
    `c0000202${zeros(12)}`, // daddr
    `c0000201${zeros(12)}`, // saddr
    "12b5ffff", // dport and its mask
    zeros(4), // sport: any
    "0200", // family
    "2020", // prefixlen_d, prefixlen_s
    "11", // proto: UDP
    zeros(3),
    zeros(8), // ifindex, user
  ].join("");

  test("is written as struct xfrm_userpolicy_info, a template and a mark", () => {
    const { type, payload } = setPolicy(policy);
    expect(type).toBe(0x19); // XFRM_MSG_UPDPOLICY
    const info = [
      selector,
      "ff".repeat(32),
      zeros(32), // lft
      zeros(32), // curlft
      "01000000", // priority
      zeros(4), // index
      "01", // dir: XFRM_POLICY_OUT
      "00", // action: XFRM_POLICY_ALLOW
      zeros(2 + 4), // flags, share, padding to 8
    ].join("");
    expect(buffer(payload).subarray(0, 168).toString("hex")).toBe(info);
    const attributes = new Attributes(buffer(payload).subarray(168));
    const template = [
      `c0000202${zeros(12)}`,
      "10002003", // id.spi
      "32000000", // id.proto
      "02000000", // family
      `c0000201${zeros(12)}`,
      "00647374", // reqid
      zeros(4), // mode: transport, share: any, not optional
      "ff".repeat(12), // any algorithm
    ].join("");
    expect(attributes.bytes(5)?.toString("hex")).toBe(template);
    expect(attributes.bytes(21)?.toString("hex")).toBe("65737400ffffff00");
  });

  test("is read as it was written, and deleted by selector, direction and mark", () => {
    expect(decodePolicy(buffer(setPolicy(policy).payload))).toEqual(policy);
    const { type, payload } = deletePolicy(policy);
    expect(type).toBe(0x14);
    expect(buffer(payload).subarray(0, 64).toString("hex")).toBe(`${selector}${zeros(4)}01${zeros(3)}`);
    expect(new Attributes(buffer(payload).subarray(64)).bytes(21)?.toString("hex")).toBe("65737400ffffff00");
  });

  test("for what arrives is none of ours", () => {
    const payload = Buffer.from(setPolicy(policy).payload);
    payload.writeUInt8(0, 160);
    expect(decodePolicy(payload)).toBeUndefined();
  });
});
