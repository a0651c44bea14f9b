// Tar archives as async iterables: reading entry by entry without touching a disk, and writing in constant memory.

import { Readable } from "node:stream";
import { extract, type Header, type Pack, pack } from "tar-stream";
import { interruptible } from "./interruptible.ts";

export interface TarEntry {
  readonly header: Header;
  /** The file's bytes; what is not read is skipped when the next entry is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** What goes into an archive: a file of known size, or a directory when there is no body. */
export interface TarFile {
  readonly name: string;
  readonly size?: number;
  readonly body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly modifiedAt?: Date;
}

/** Reads an archive as it arrives. Leaving the loop early stops reading the source. */
export async function* tarEntries(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const archive = extract();
  const feeding = feed(source, archive);
  // Its failure reaches the reader through the archive, perhaps only in the middle of a body.
  feeding.catch(() => undefined);
  try {
    for await (const body of archive) {
      // The library types its chunks as unknown; they are Buffers.
      yield { header: body.header, body: body as AsyncIterable<Uint8Array> };
      body.resume();
    }
    await feeding;
  } finally {
    archive.destroy();
    await feeding.catch(() => undefined);
  }
}

/** Packs files, in order, into a stream; a body that fails or has another size than announced destroys it. */
export function tarStream(files: AsyncIterable<TarFile> | Iterable<TarFile>): Readable {
  const archive = pack();
  packAll(archive, files).catch((error: Error) => archive.destroy(error));
  return Readable.from(archive, { objectMode: false });
}

async function packAll(archive: Pack, files: AsyncIterable<TarFile> | Iterable<TarFile>): Promise<void> {
  for await (const file of files) {
    const common = { name: file.name, mtime: file.modifiedAt ?? new Date(0) };
    if (!file.body) {
      archive.entry({ ...common, type: "directory", mode: 0o755 }).end(null);
      continue;
    }
    const sink = archive.entry({ ...common, mode: 0o644, size: file.size ?? 0 });
    await Promise.all([fill(sink, file.body), closed(sink)]);
  }
  archive.finalize();
}

async function fill(sink: Sink, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of body) {
      if (sink.destroyed) return;
      if (!sink.write(chunk)) await drained(sink);
    }
    sink.end(null);
  } catch (error) {
    sink.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

async function feed(source: AsyncIterable<Uint8Array>, archive: ReturnType<typeof extract>): Promise<void> {
  const closed = new AbortController();
  archive.once("close", () => closed.abort());
  try {
    for await (const chunk of interruptible(source, closed.signal))
      if (!archive.write(chunk)) await drained(archive);
    archive.end(null);
  } catch (error) {
    // Closed by the reader, or by an error that the reader sees.
    if (closed.signal.aborted) return;
    archive.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

type Sink = ReturnType<Pack["entry"]>;

/** Resolves when the sink takes more, or is gone. */
function drained(sink: Sink): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      sink.off("drain", done);
      sink.off("close", done);
      resolve();
    };
    sink.on("drain", done);
    sink.on("close", done);
    if (sink.destroyed) done();
  });
}

function closed(sink: Sink): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.once("error", reject);
    sink.once("close", () => resolve());
    if (sink.destroyed) resolve();
  });
}
