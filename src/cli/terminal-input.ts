// Reading what a person types or a pipe brings.

import { readFileSync } from "node:fs";

/** All of stdin. */
export function readAll(): string {
  return readFileSync(0, "utf8");
}

/** A line of the terminal that is not shown while it is typed. Ctrl-C ends the program. */
export async function readHidden(): Promise<string> {
  const { stdin } = process;
  let line = "";
  stdin.setRawMode(true);
  try {
    for await (const chunk of stdin) {
      for (const char of String(chunk)) {
        if (char === "\r" || char === "\n" || char === "\x04") return line;
        if (char === "\x03") process.exit(130);
        line = char === "\x7f" || char === "\b" ? line.slice(0, -1) : line + char;
      }
    }
    return line;
  } finally {
    stdin.setRawMode(false);
  }
}
