// IPsec (XFRM): whether the kernel can encrypt what tunnels carry. Nothing is kept: the probe takes back what it makes.

import type { Family } from "../netip/index.ts";
import { hasCode } from "../util/errors.ts";
import { Encoder, nlmFlag } from "./codec.ts";
import { unless } from "./errors.ts";
import { type NetlinkSocket, netlinkProtocol, openNetlinkSocket } from "./netlink-socket.ts";
import type { Request } from "./request.ts";
import { createFlags, familyNumber } from "./rtnetlink.ts";

/** What a kernel lacks for encrypted tunnels, in the words of its configuration. */
export type EspLack = "ESP (CONFIG_INET_ESP)" | "ESP (CONFIG_INET6_ESP)" | "AES-GCM (CONFIG_CRYPTO_GCM)";

/**
 * Makes a security association (ESP, AES-GCM) and deletes it. Undefined: the kernel has all that it takes. A kernel without
 * the type says EPROTONOSUPPORT, without the algorithm ENOSYS (`xfrm_state_construct` in net/xfrm/xfrm_user.c), and it
 * looks for the algorithm first.
 */
export async function lackOfEsp(family: Family, netns?: string): Promise<EspLack | undefined> {
  const esp = family === 4 ? "ESP (CONFIG_INET_ESP)" : "ESP (CONFIG_INET6_ESP)";
  try {
    await using socket = await openNetlinkSocket(netlinkProtocol.xfrm, netns);
    if (await canAssociate(socket, family, gcm)) return undefined;
    return (await canAssociate(socket, family, nullCipher)) ? "AES-GCM (CONFIG_CRYPTO_GCM)" : esp;
  } catch (error) {
    if (hasCode(error, "EPROTONOSUPPORT")) return esp;
    throw error;
  }
}

async function canAssociate(socket: NetlinkSocket, family: Family, algorithm: Algorithm): Promise<boolean> {
  try {
    await socket.send([addAssociation(family, algorithm)]);
  } catch (error) {
    if (hasCode(error, "ENOSYS", "EPROTONOSUPPORT")) return false;
    throw error;
  }
  await unless(["ESRCH"], socket.send([deleteAssociation(family)]));
  return true;
}

interface Algorithm {
  /** XFRMA_ALG_*. */
  readonly attribute: number;
  readonly name: string;
  /** Bits. */
  readonly keyLength: number;
  /** Bits of the check value; only of those that authenticate too. */
  readonly icvLength?: number;
}

const gcm: Algorithm = { attribute: 18, name: "rfc4106(gcm(aes))", keyLength: 160, icvLength: 64 };
const nullCipher: Algorithm = { attribute: 2, name: "ecb(cipher_null)", keyLength: 0 };

/** XFRM_MSG_* and IPPROTO_ESP. */
const xfrm = { newAssociation: 16, deleteAssociation: 17, esp: 50 } as const;

/** Of the probe alone; nobody is ever there, and no packet goes. */
const spi = 0x7473_6401;

/** Where fields of struct xfrm_usersa_info are, in bytes (linux/xfrm.h). */
const at = { target: 56, spi: 72, protocol: 76, source: 80, limits: 96, family: 212, size: 224 } as const;

function addAssociation(family: Family, { attribute, name, keyLength, icvLength }: Algorithm): Request {
  const state = Buffer.alloc(at.size);
  state.set(loopback(family), at.target);
  state.writeUInt32BE(spi, at.spi);
  state.writeUInt8(xfrm.esp, at.protocol);
  state.set(loopback(family), at.source);
  // no limit of bytes or packets
  state.fill(0xff, at.limits, at.limits + 32);
  state.writeUInt16LE(familyNumber(family), at.family);
  const lengths = icvLength === undefined ? 4 : 8;
  const value = Buffer.alloc(64 + lengths + keyLength / 8);
  value.write(name);
  value.writeUInt32LE(keyLength, 64);
  if (icvLength !== undefined) value.writeUInt32LE(icvLength, 68);
  const payload = new Encoder().struct(state).bytes(attribute, value).finish();
  return { type: xfrm.newAssociation, flags: createFlags, payload, words: `ip xfrm state add … ${name}` };
}

function deleteAssociation(family: Family): Request {
  const id = Buffer.alloc(24);
  id.set(loopback(family));
  id.writeUInt32BE(spi, 16);
  id.writeUInt16LE(familyNumber(family), 20);
  id.writeUInt8(xfrm.esp, 22);
  const payload = new Encoder().struct(id).finish();
  return { type: xfrm.deleteAssociation, flags: nlmFlag.ack, payload, words: "ip xfrm state delete …" };
}

function loopback(family: Family): Uint8Array {
  return family === 4 ? Uint8Array.of(127, 0, 0, 1) : Uint8Array.of(...new Uint8Array(15), 1);
}
