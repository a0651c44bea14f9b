// The content store: blobs by digest, written through resumable ingests.

import { createHash } from "node:crypto";
import { invalid } from "../util/errors.ts";
import { type ContentWriter, openWriter } from "./content-writer.ts";
import { Content as ContentService, type Info } from "./gen/content_pb.ts";
import type { CallOptions, Channel } from "./grpc.ts";
import { orAbsent } from "./grpc-error.ts";
import { type LabelChanges, type Labels, labelMask, toDate } from "./values.ts";

export interface BlobInfo {
  readonly digest: string;
  readonly size: number;
  readonly createdAt: Date;
  readonly labels: Labels;
}

/** An ingest that was begun and not yet committed: `offset` bytes of `total` (0 = unknown) are there. */
export interface IngestStatus {
  readonly ref: string;
  readonly offset: number;
  readonly total: number;
  readonly expected: string;
}

export interface WriteOptions {
  /** The digest that the blob must have; a commit with another one fails. */
  readonly expected?: string;
  /** Size in bytes, 0 or absent when unknown. */
  readonly total?: number;
  readonly labels?: Labels;
  readonly signal?: AbortSignal;
}

export interface WholeWriteOptions extends WriteOptions {
  /** Told the digest before the blob is there: one that is there already is not the lease's by being written again. */
  readonly hold?: (digest: string) => Promise<void>;
}

export interface Content {
  /** The blob's size and labels, or undefined when it is not there. */
  info(digest: string): Promise<BlobInfo | undefined>;
  list(filters?: readonly string[]): AsyncIterable<BlobInfo>;
  /** The blob's bytes, from `offset`, at most `size` of them; throws not-found. */
  read(
    digest: string,
    range?: { offset?: number; size?: number },
    options?: CallOptions,
  ): AsyncIterable<Uint8Array>;
  /** The whole blob in memory; a blob of more than `limit` bytes is refused. */
  readAll(digest: string, limit?: number): Promise<Buffer>;
  /** Opens or resumes the ingest `ref`; undefined when the expected blob is there already. */
  open(ref: string, options?: WriteOptions): Promise<ContentWriter | undefined>;
  /** Writes a whole blob from the start and commits it; what is there already is success. Returns its digest. */
  write(
    ref: string,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: WholeWriteOptions,
  ): Promise<string>;
  /** Changes single labels and leaves the others; an empty value removes one. */
  updateLabels(digest: string, changes: LabelChanges): Promise<BlobInfo>;
  /** Removes a blob; one that is gone is success. */
  delete(digest: string): Promise<void>;
  status(ref: string): Promise<IngestStatus | undefined>;
  statuses(filters?: readonly string[]): Promise<readonly IngestStatus[]>;
  /** Throws an ingest away; one that is gone is success. */
  abort(ref: string): Promise<void>;
}

const readAllLimit = 8 * 1024 * 1024;

/** The content store of one namespace, on an open channel. */
export function contentClient(channel: Channel, headers: Readonly<Record<string, string>>): Content {
  const api = channel.service(ContentService, headers);
  const content: Content = {
    async info(digest) {
      const response = await orAbsent(api.info({ digest }));
      return response?.info && toBlobInfo(response.info);
    },
    async *list(filters = []) {
      for await (const page of api.list({ filters: [...filters] })) yield* page.info.map(toBlobInfo);
    },
    async *read(digest, range = {}, options = {}) {
      const request = { digest, offset: BigInt(range.offset ?? 0), size: BigInt(range.size ?? 0) };
      for await (const part of api.read(request, options)) yield part.data;
    },
    async readAll(digest, limit = readAllLimit) {
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const part of content.read(digest)) {
        size += part.length;
        if (size > limit) throw invalid(`read ${digest}: larger than ${limit} bytes`);
        parts.push(part);
      }
      return Buffer.concat(parts, size);
    },
    open: (ref, options = {}) => openWriter(() => api.write(), ref, options),
    async write(ref, source, { hold, ...options } = {}) {
      const { expected, labels } = options;
      if (expected !== undefined) await hold?.(expected);
      await using writer = await content.open(ref, options);
      if (!writer) return expected ?? "";
      writer.restart();
      if (expected !== undefined) {
        for await (const part of source) await writer.write(part);
        return await writer.commit({ ...(labels && { labels }) });
      }
      // who does not know the digest is not told of it either when the blob is there already
      const digest = await writeHashed(writer, source);
      await hold?.(digest);
      return await writer.commit({ expected: digest, ...(labels && { labels }) });
    },
    async updateLabels(digest, changes) {
      const response = await api.update({
        info: { digest, labels: { ...changes } },
        updateMask: labelMask(changes),
      });
      return toBlobInfo(response.info);
    },
    async delete(digest) {
      await orAbsent(api.delete({ digest }));
    },
    async status(ref) {
      const response = await orAbsent(api.status({ ref }));
      return response?.status && toIngestStatus(response.status);
    },
    async statuses(filters = []) {
      return (await api.listStatuses({ filters: [...filters] })).statuses.map(toIngestStatus);
    },
    async abort(ref) {
      await orAbsent(api.abort({ ref }));
    },
  };
  return content;
}

/** Resolves with the digest of what was written. */
async function writeHashed(
  writer: ContentWriter,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of source) {
    hash.update(part);
    await writer.write(part);
  }
  return `sha256:${hash.digest("hex")}`;
}

function toBlobInfo(info: Info | undefined): BlobInfo {
  return {
    digest: info?.digest ?? "",
    size: Number(info?.size ?? 0),
    createdAt: toDate(info?.createdAt),
    labels: info?.labels ?? {},
  };
}

function toIngestStatus(status: {
  ref: string;
  offset: bigint;
  total: bigint;
  expected: string;
}): IngestStatus {
  return {
    ref: status.ref,
    offset: Number(status.offset),
    total: Number(status.total),
    expected: status.expected,
  };
}
