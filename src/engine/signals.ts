// Signals by name or number, as people type them.

import { constants } from "node:os";
import { invalid } from "../util/errors.ts";

/** `SIGTERM`, `TERM`, `15`, `RTMIN+3` as a number. @throws invalid `invalid signal: x` */
export function parseSignal(text: string): number {
  const upper = text.toUpperCase();
  if (/^[0-9]+$/.test(text)) return checkRange(Number(text), text);
  const realTime = /^(?:SIG)?RTM(IN|AX)(?:([+-])([0-9]+))?$/.exec(upper);
  if (realTime) {
    const base = realTime[1] === "IN" ? 34 : 64;
    const offset = Number(realTime[3] ?? 0) * (realTime[2] === "-" ? -1 : 1);
    return checkRange(base + offset, text);
  }
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  const number = (constants.signals as Readonly<Record<string, number>>)[name];
  if (number === undefined) throw invalid(`invalid signal: ${text}`);
  return number;
}

function checkRange(number: number, text: string): number {
  if (number < 1 || number > 64) throw invalid(`invalid signal: ${text}`);
  return number;
}
