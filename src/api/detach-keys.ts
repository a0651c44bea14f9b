// Detach keys: the sequence that lets a person leave a terminal without ending what runs in it.

import { Transform } from "node:stream";
import { invalid } from "../util/errors.ts";

/** ctrl-p, ctrl-q. */
export const defaultDetachKeys = "ctrl-p,ctrl-q";

const controlSigns = ["@", "[", "\\", "]", "^", "_"];
const controlCodes = [0, 27, 28, 29, 30, 31];

/** The bytes of `ctrl-a,b`. Throws invalid on a word that is neither one character nor `ctrl-` and one of a–z @ [ \ ] ^ _. */
export function parseDetachKeys(text: string): Uint8Array {
  return Uint8Array.from(text.split(",").map((word) => keyByte(word, text)));
}

function keyByte(word: string, text: string): number {
  if (word.length === 1) return word.charCodeAt(0);
  const sign = /^ctrl-(.)$/i.exec(word)?.[1]?.toLowerCase();
  if (sign !== undefined && sign >= "a" && sign <= "z") return sign.charCodeAt(0) - 96;
  const code = sign === undefined ? undefined : controlCodes[controlSigns.indexOf(sign)];
  if (code === undefined)
    throw invalid(`invalid detach keys (${text}) provided: Unknown character: '${word}'`);
  return code;
}

/**
 * Passes typed bytes on until the whole sequence was typed, then calls `onDetach` and passes nothing more. A sequence that
 * is begun and not finished is passed on late, as it was typed.
 */
export function watchForDetach(keys: Uint8Array, onDetach: () => void): Transform {
  let matched = 0;
  let isDetached = false;
  const step = (byte: number, out: number[]) => {
    if (byte === keys[matched]) {
      matched++;
      if (matched === keys.length) isDetached = true;
      return;
    }
    out.push(...keys.subarray(0, matched));
    matched = byte === keys[0] ? 1 : 0;
    if (matched === 0) out.push(byte);
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (isDetached) return done();
      const out: number[] = [];
      for (const byte of chunk) if (!isDetached) step(byte, out);
      if (isDetached) onDetach();
      done(null, Buffer.from(out));
    },
    flush(done) {
      done(null, Buffer.from(isDetached ? [] : keys.subarray(0, matched)));
    },
  });
}
