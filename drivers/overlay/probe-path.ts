// One path to another host: whether small packets pass, whether those pass that networks send, and if not, which do. Pure:
// what a packet is, whoever calls says.

/** What packets found. */
export interface Finding {
  /** Of a small packet; undefined: none came back. */
  readonly roundTripMs?: number;
  /** Bytes of the largest IP packet that came back; no more than was asked for. */
  readonly mtu?: number;
}

/** Sends one and waits for its reply: the milliseconds that it took, or undefined. */
export type Ask = (size: number, patienceMs: number) => Promise<number | undefined>;

export interface PathQuestion {
  /** Bytes of the smallest packet that is sent, and of the one that networks send. */
  readonly least: number;
  readonly full: number;
  /** What was found the last time. */
  readonly before?: Finding;
  /** How long a small packet may take. */
  readonly patienceMs: number;
}

/** A packet may be lost without anything being wrong. */
const smallTries = 3;
const largeTries = 3;
const searchTries = 2;
/** How long others may take, by the small one's time. */
const patience = { leastMs: 200, roundTrips: 4 } as const;

/** Takes three times the patience where nothing comes back; a search has as many steps as sizes have bits, ten or so. */
export async function examinePath(ask: Ask, question: PathQuestion): Promise<Finding> {
  const { least, full, before } = question;
  const roundTripMs = await repeat(ask, least, { tries: smallTries, patienceMs: question.patienceMs });
  if (roundTripMs === undefined) return {};
  const enoughMs = Math.max(patience.leastMs, roundTripMs * patience.roundTrips);
  const patienceMs = Math.min(question.patienceMs, enoughMs);
  const passes = async (size: number, tries = searchTries) =>
    (await repeat(ask, size, { tries, patienceMs })) !== undefined;
  if (await passes(full, largeTries)) return { roundTripMs, mtu: full };
  // the path may have been cut since the first packet: that is not a narrow one
  if (!(await passes(least, smallTries))) return {};
  return { roundTripMs, mtu: await largest(passes, { low: least, high: full, guess: before?.mtu }) };
}

async function repeat(
  ask: Ask,
  size: number,
  { tries, patienceMs }: { readonly tries: number; readonly patienceMs: number },
): Promise<number | undefined> {
  for (let at = 0; at < tries; at++) {
    const took = await ask(size, patienceMs);
    if (took !== undefined) return took;
  }
  return undefined;
}

interface Bounds {
  /** Passes. */
  readonly low: number;
  /** Does not. */
  readonly high: number;
  /** What it was the last time: tried first, with the next larger one. */
  readonly guess: number | undefined;
}

async function largest(
  passes: (size: number) => Promise<boolean>,
  { low, high, guess }: Bounds,
): Promise<number> {
  const guesses = guess === undefined ? [] : [guess, guess + 1];
  while (high - low > 1) {
    const size = guesses.shift() ?? Math.floor((low + high) / 2);
    if (size <= low || size >= high) continue;
    if (await passes(size)) low = size;
    else high = size;
  }
  return low;
}
