// Programs on what comes in by a link: traffic control's `clsact` queueing discipline, which queues nothing, and a filter
// of kind `bpf` on it (linux/pkt_sched.h, linux/pkt_cls.h). What comes in passes it before bridges and nftables see it.

import { Attributes, Encoder, nlmFlag } from "../codec.ts";
import type { Request } from "../request.ts";
import { replaceFlags, rtm } from "../rtnetlink.ts";

const clsact = 0xffff_fff1; // TC_H_CLSACT
const clsactHandle = 0xffff_0000;
const ingress = 0xffff_fff2; // TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
const everyProtocol = 0x0300; // ETH_P_ALL in network byte order
/** Ours, which is nobody else's ("ts"); what has lower ones comes before. */
const priority = 0x7473;
const handle = 1;

const tca = { kind: 1, options: 2 } as const;
const tcaBpf = { fd: 6, name: 7, flags: 8, id: 11 } as const;
const directAction = 1; // TCA_BPF_FLAG_ACT_DIRECT: what the program answers is the verdict

/** `tc qdisc add dev … clsact`. One that is there is success. */
export function addClsact(link: number): Request {
  const payload = new Encoder()
    .struct(header({ link, handle: clsactHandle, parent: clsact }))
    .string(tca.kind, "clsact");
  const flags = nlmFlag.ack | nlmFlag.create;
  return { type: rtm.newQdisc, flags, payload: payload.finish(), words: `tc qdisc add dev if${link} clsact` };
}

/** Lets a program judge what comes in by a link; it takes the place of the one before at once. Needs `addClsact`. */
export function setFilter(
  link: number,
  { fd, name }: { readonly fd: number; readonly name: string },
): Request {
  const payload = filterMessage(link).nest(tca.options, (options) =>
    options.u32(tcaBpf.fd, fd).string(tcaBpf.name, name).u32(tcaBpf.flags, directAction),
  );
  const words = `tc filter replace dev if${link} ingress prio ${priority} handle ${handle} bpf da fd ${fd} name ${name}`;
  return { type: rtm.newFilter, flags: replaceFlags, payload: payload.finish(), words };
}

/** Takes it off again. Fails with ENOENT or EINVAL where there is none. */
export function deleteFilter(link: number): Request {
  const words = `tc filter delete dev if${link} ingress prio ${priority} handle ${handle} bpf`;
  return { type: rtm.deleteFilter, flags: nlmFlag.ack, payload: filterMessage(link).finish(), words };
}

/** `tc filter get`: the one of `setFilter`. Fails with ENOENT or EINVAL where there is none. */
export function getFilter(link: number): Request {
  const words = `tc filter get dev if${link} ingress prio ${priority} handle ${handle} bpf`;
  return { type: rtm.getFilter, flags: 0, payload: filterMessage(link).finish(), words };
}

/** A filter of kind `bpf` on a link. */
export interface BpfFilter {
  readonly link: number;
  /** Id of its program. */
  readonly program: number;
}

/** Reads the payload of RTM_NEWTFILTER; undefined for one of another kind. */
export function decodeFilter(payload: Buffer): BpfFilter | undefined {
  const program = new Attributes(payload.subarray(headerSize)).nested(tca.options)?.u32(tcaBpf.id);
  return program === undefined ? undefined : { link: payload.readInt32LE(4), program };
}

function filterMessage(link: number): Encoder {
  const info = ((priority << 16) | everyProtocol) >>> 0;
  return new Encoder().struct(header({ link, handle, parent: ingress, info })).string(tca.kind, "bpf");
}

const headerSize = 20;

/** struct tcmsg. */
function header(of: {
  readonly link: number;
  readonly handle: number;
  readonly parent: number;
  readonly info?: number;
}): Buffer {
  const bytes = Buffer.alloc(headerSize);
  bytes.writeInt32LE(of.link, 4);
  bytes.writeUInt32LE(of.handle, 8);
  bytes.writeUInt32LE(of.parent, 12);
  bytes.writeUInt32LE(of.info ?? 0, 16);
  return bytes;
}
