// The proxy's log: JSON lines on stderr, which is the daemon's file. It loads nothing, so that the process starts fast.

import type { Log } from "../util/log.ts";

/** `debug` false leaves debug lines out. Errors of writing are ignored: serving goes on when a disk is full. */
export function stderrLog(debug: boolean, bindings: object = {}): Log {
  const write = (level: string) => (first: object | string, second?: string) => {
    const fields = typeof first === "string" ? {} : first;
    const message = typeof first === "string" ? first : second;
    const line = { time: new Date().toISOString(), level, ...bindings, ...fields, msg: message };
    process.stderr.write(`${JSON.stringify(line)}\n`, () => undefined);
  };
  return {
    debug: debug ? write("debug") : () => undefined,
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (more) => stderrLog(debug, { ...bindings, ...more }),
  };
}
