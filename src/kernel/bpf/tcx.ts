// Programs on what comes in by a link, called by the kernel itself (TCX, Linux 6.6) and not by a filter of traffic control,
// in front of which they come: each packet costs less, but to attach one the kernel waits for all processors, under its lock
// of all links (`tcx_entry_sync` in include/net/tcx.h). Links are of a netns, and only a thread in it can name them.

import { addon } from "../../../native/index.ts";
import { saying, unless } from "../errors.ts";
import type { BpfProgram } from "./objects.ts";

/** BPF_PROG_ATTACH, BPF_PROG_DETACH, BPF_PROG_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_QUERY. */
const command = { attach: 8, detach: 9, open: 13, info: 15, query: 16 } as const;
const ingress = 46; // BPF_TCX_INGRESS
const replaces = 1 << 2; // BPF_F_REPLACE
/** BPF_MPROG_MAX: as many as a link can have. */
const most = 64;
const sizes = { attach: 32, query: 64, info: 80, infoName: 64, name: 16 } as const;

/** A netns and an index in it. */
export interface LinkIn {
  /** Path of the netns. */
  readonly netns: string;
  readonly link: number;
}

/**
 * Has a program judge what comes in by a link: TC_ACT_UNSPEC leaves it to those behind, filters too. Those whose names begin
 * like `mark`, which other processes left, go: one that is there is replaced at once. Takes some milliseconds else.
 *
 * @throws KernelError EINVAL where there is no TCX, ENODEV without such a link
 */
export async function attachEarly(
  of: LinkIn,
  program: Pick<BpfProgram, "fd" | "id" | "name">,
  mark: string,
): Promise<void> {
  const words = `bpftool net attach tcx_ingress name ${program.name} dev if${of.link}`;
  const ids = await programsOn(of);
  if (ids.includes(program.id)) return;
  await withOurs(ids, mark, async ([old]) => {
    const attributes = attachment(of.link, program.fd);
    attributes.writeUInt32LE(old === undefined ? 0 : replaces, 12);
    attributes.writeUInt32LE(old ?? 0, 16);
    await saying(words, addon().bpfIn(of.netns, command.attach, attributes, []));
  });
}

/** Takes those off whose names begin like `mark`; none is success. @throws KernelError EINVAL where there is no TCX */
export async function detachEarly(of: LinkIn, mark: string): Promise<void> {
  const words = `bpftool net detach tcx_ingress dev if${of.link}`;
  await withOurs(await programsOn(of), mark, async (ours) => {
    for (const fd of ours)
      await saying(words, addon().bpfIn(of.netns, command.detach, attachment(of.link, fd), []));
  });
}

/** Ids of the programs on a link, in their order. */
export async function programsOn({ netns, link }: LinkIn): Promise<readonly number[]> {
  const attributes = Buffer.alloc(sizes.query);
  attributes.writeUInt32LE(link, 0);
  attributes.writeUInt32LE(ingress, 4);
  attributes.writeUInt32LE(most, 24);
  const asking = addon().bpfIn(netns, command.query, attributes, [16, Buffer.alloc(4 * most)]);
  const answer = await unless(["ENOENT"], saying(`bpftool net show dev if${link}`, asking));
  const [header, ids] = answer ?? [];
  return Array.from({ length: header?.readUInt32LE(24) ?? 0 }, (_, at) => ids?.readUInt32LE(4 * at) ?? 0);
}

function attachment(link: number, program: number): Buffer {
  const attributes = Buffer.alloc(sizes.attach);
  attributes.writeUInt32LE(link, 0);
  attributes.writeUInt32LE(program, 4);
  attributes.writeUInt32LE(ingress, 8);
  return attributes;
}

/** Hands out descriptors of those that bear the mark, for as long as the work lasts. */
async function withOurs(
  ids: readonly number[],
  mark: string,
  work: (fds: readonly number[]) => Promise<void>,
): Promise<void> {
  using opened = new DisposableStack();
  const ours: number[] = [];
  for (const id of ids) {
    const attributes = Buffer.alloc(12);
    attributes.writeUInt32LE(id, 0);
    const fd = addon().bpf(command.open, attributes, []);
    opened.defer(() => addon().fdClose(fd));
    if (nameOf(fd).startsWith(mark)) ours.push(fd);
  }
  await work(ours);
}

function nameOf(fd: number): string {
  const info = Buffer.alloc(sizes.info);
  const attributes = Buffer.alloc(16);
  attributes.writeUInt32LE(fd, 0);
  attributes.writeUInt32LE(info.length, 4);
  addon().bpf(command.info, attributes, [8, info]);
  const name = info.subarray(sizes.infoName, sizes.infoName + sizes.name);
  return name.toString("latin1").replace(/\0.*$/s, "");
}
