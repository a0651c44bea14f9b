// Askers and name servers inside a lab's hosts.

import { once } from "node:events";
import * as packet from "dns-packet";
import {
  connectSocket,
  datagramBatch,
  datagramIn,
  onReadable,
  peerOf,
  receiveDatagrams,
  sendDatagram,
} from "../../../src/kernel/datagrams.ts";
import { bindSocket, closeFd } from "../../../src/kernel/index.ts";
import type { Address } from "../../../src/netip/index.ts";
import { frame, Unframer } from "../../../src/proxy/tcp-frames.ts";
import type { LabHost } from "../lab.ts";
import { connect, ip, serve } from "../proxy/world.ts";

export interface Question {
  readonly name: string;
  readonly type?: packet.RecordType;
  /** What the asker takes over UDP; absent = no EDNS. */
  readonly udpSize?: number;
  readonly tcp?: boolean;
  readonly server?: string;
  readonly timeoutMs?: number;
}

/** An answer in brief. */
export interface Answered {
  readonly rcode: string;
  readonly records: readonly string[];
  readonly truncated: boolean;
  readonly authoritative: boolean;
}

export function query({ name, type = "A", udpSize }: Question, id = 4711): Buffer {
  const opt = { type: "OPT", name: ".", udpPayloadSize: udpSize ?? 0, extendedRcode: 0 } as const;
  const additionals = udpSize ? [{ ...opt, ednsVersion: 0, flags: 0, flag_do: false, options: [] }] : [];
  return packet.encode({
    id,
    type: "query",
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals,
  });
}

export function inBrief(bytes: Buffer): Answered {
  const decoded = packet.decode(bytes);
  const records = (decoded.answers ?? []).map((answer) => ("data" in answer ? String(answer.data) : ""));
  const { flag_tc: truncated, flag_aa: authoritative } = decoded;
  return { rcode: (decoded as unknown as { rcode: string }).rcode, records, truncated, authoritative };
}

/** Asks a server from within a host, at any port. Rejects with "timeout". */
export async function ask(host: LabHost, port: number, question: Question): Promise<Answered> {
  const server = ip(question.server ?? "127.0.0.11");
  const bytes = query(question);
  const reply = question.tcp
    ? askTcp(host, question.server ?? "127.0.0.11", port, bytes)
    : askUdp(host, { server, port, bytes });
  return inBrief(await inTime(reply, question.timeoutMs ?? 20_000));
}

async function inTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("timeout")), timeoutMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function askTcp(host: LabHost, server: string, port: number, bytes: Buffer): Promise<Buffer> {
  const socket = await connect(host, server, port);
  const unframer = new Unframer();
  socket.write(frame(bytes));
  try {
    for (;;) {
      const [part] = await once(socket, "data");
      const [message] = unframer.push(part);
      if (message) return message;
    }
  } finally {
    socket.destroy();
  }
}

async function askUdp(
  host: LabHost,
  { server, port, bytes }: { server: Address; port: number; bytes: Buffer },
): Promise<Buffer> {
  const any: Address = { family: server.family, value: 0n };
  const fd = await bindSocket({ netns: host.netns, protocol: "udp", address: any, port: 0 });
  const batch = datagramBatch(16_384);
  const reply = Promise.withResolvers<Buffer>();
  connectSocket(fd, server, port);
  const stop = onReadable(fd, () => {
    stop();
    receiveDatagrams(fd, batch, true);
    closeFd(fd);
    reply.resolve(Buffer.from(datagramIn(batch, 0) ?? []));
  });
  sendDatagram(fd, bytes);
  return await reply.promise;
}

export interface NameServer extends AsyncDisposable {
  /** Names that it was asked for, in order, with the transport. */
  readonly asked: string[];
}

export type Answerer = (
  question: packet.Question,
  transport: "udp" | "tcp",
) => Partial<packet.Packet> | undefined;

/** A name server on port 53 of a host's address; an undefined answer is silence. */
export async function nameServer(host: LabHost, address: string, answer: Answerer): Promise<NameServer> {
  const asked: string[] = [];
  const reply = (bytes: Buffer, transport: "udp" | "tcp"): Buffer | undefined => {
    const { id = 0, questions = [] } = packet.decode(bytes);
    const [question] = questions;
    if (!question) return undefined;
    asked.push(`${transport} ${question.type} ${question.name}`);
    const content = answer(question, transport);
    return content && packet.encode({ type: "response", id, questions, ...content });
  };
  const udp = await serveUdp(host, address, (bytes) => reply(bytes, "udp"));
  const tcp = await serve(
    host,
    address,
    (socket) => {
      const unframer = new Unframer();
      socket.on("data", (part: Buffer) => {
        for (const message of unframer.push(part)) {
          const bytes = reply(message, "tcp");
          if (bytes) socket.write(frame(bytes));
        }
      });
    },
    53,
  );
  const close = async () => {
    udp();
    await tcp[Symbol.asyncDispose]();
  };
  return { asked, [Symbol.asyncDispose]: close };
}

/** Records of an address, as a name server gives them. */
export function addresses(name: string, ...texts: readonly string[]): Partial<packet.Packet> {
  return { answers: texts.map((data) => ({ name, type: "A", ttl: 60, data })) };
}

/** Answers with an error. */
export function failure(rcode: number): Partial<packet.Packet> {
  return { flags: rcode };
}

async function serveUdp(
  host: LabHost,
  address: string,
  reply: (bytes: Buffer) => Buffer | undefined,
): Promise<() => void> {
  const fd = await bindSocket({ netns: host.netns, protocol: "udp", address: ip(address), port: 53 });
  const batch = datagramBatch(4096);
  const stop = onReadable(fd, () => {
    const count = receiveDatagrams(fd, batch);
    for (let slot = 0; slot < count; slot++) {
      const bytes = reply(Buffer.from(datagramIn(batch, slot) ?? []));
      if (bytes) sendDatagram(fd, bytes, peerOf(batch, slot));
    }
  });
  let isOpen = true;
  return () => {
    stop();
    if (isOpen) closeFd(fd);
    isOpen = false;
  };
}
