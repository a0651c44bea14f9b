// Stands between a daemon and a plugin, passes everything on as it is, and writes it down.

import { closeSync, openSync, writeSync } from "node:fs";
import { errorMessage } from "../../../util/errors.ts";
import { type Call, readBody } from "./conversation.ts";
import { askPlugin, listenAsPlugin, type Question } from "./sockets.ts";

export interface RecorderOptions {
  /** The plugin's own socket. */
  readonly socket: string;
  /** Where the daemon looks for it. */
  readonly listen: string;
  /** The file that is written, anew. */
  readonly file: string;
  /** Told of each call when it was answered. */
  readonly onCall?: (call: Call) => void;
}

/** Records until it is closed; then the file is whole. @throws when the file cannot be written, or the socket is taken */
export async function startRecorder({
  socket,
  listen,
  file,
  onCall,
}: RecorderOptions): Promise<{ close(): Promise<void> }> {
  const fd = openSync(file, "w", 0o600);
  const note = (call: Call) => {
    // a line at once: what was heard is in the file whatever happens to us
    writeSync(fd, `${JSON.stringify(call)}\n`);
    onCall?.(call);
  };
  const pass = async (question: Question) => {
    const time = new Date().toISOString();
    const begun = performance.now();
    const said = { time, method: question.method, request: readBody(question.body) };
    const durationMs = () => Math.round((performance.now() - begun) * 1000) / 1000;
    try {
      const answer = await askPlugin(socket, question);
      note({ ...said, status: answer.status, response: readBody(answer.body), durationMs: durationMs() });
      return answer;
    } catch (error) {
      note({ ...said, status: 0, response: errorMessage(error), durationMs: durationMs() });
      throw error;
    }
  };
  try {
    const server = await listenAsPlugin(listen, pass);
    return {
      close: async () => {
        await server.close();
        closeSync(fd);
      },
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
