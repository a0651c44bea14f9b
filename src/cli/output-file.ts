// Where save and export write: stdout, or a file that is there whole or not at all.

import { closeSync, openSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { goFileError } from "./options/key-values.ts";
import type { Session } from "./session.ts";

/** Copies a body to `path`, to stdout when it is "". A terminal is refused. `doing` begins the error texts. */
export async function writeBody(
  session: Session,
  path: string,
  doing: string,
  fetch: () => Promise<AsyncIterable<Buffer>>,
): Promise<void> {
  if (path === "") {
    if (session.out.isTerminal) {
      throw new Error("cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    for await (const data of await fetch()) session.out.write(data);
    return;
  }
  checkFolder(path, doing);
  const body = await fetch();
  const draft = `${path}.tmp-${process.pid}`;
  const fd = openSync(draft, "wx", 0o600);
  try {
    for await (const data of body) for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
    closeSync(fd);
    renameSync(draft, path);
  } catch (error) {
    unlinkSync(draft);
    throw error;
  }
}

function checkFolder(path: string, doing: string): void {
  try {
    if (!statSync(dirname(path)).isDirectory()) throw new Error("output path is not a directory");
  } catch (error) {
    const why = goFileError("stat", dirname(path), error).message;
    throw new Error(`${doing}: invalid output path: ${why}`);
  }
}
