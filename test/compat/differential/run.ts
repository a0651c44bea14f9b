// Sending the steps to both daemons, in step with each other.

import { linesOf } from "./answer.ts";
import { differences, isError } from "./compare.ts";
import type { Peer } from "./daemons.ts";
import { type Exchanged, exchange, save } from "./exchange.ts";
import { type Step, titleOf } from "./step.ts";

export interface Difference {
  readonly title: string;
  readonly what: string;
}

export interface Compared {
  readonly found: Difference[];
  /** What is found in answers that are slow in coming. */
  readonly later: Promise<Difference[]>;
}

interface Peers {
  readonly dockerd: Peer;
  readonly ours: Peer;
}

/** The differences of all steps. `dockerd` is the measure. */
export async function compareSteps({ dockerd, ours }: Peers, steps: readonly Step[]): Promise<Compared> {
  const found: Difference[] = [];
  const later: Promise<Difference[]>[] = [];
  const parted = new Set<Step>();
  for (const step of steps) {
    const answers = Promise.all([ask(dockerd, step), ask(ours, step)]);
    if (step.slow) {
      later.push(answers.then((both) => reported(step, both)));
      continue;
    }
    const [theirs, own] = await answers;
    if (step.follows && parted.has(step.follows)) {
      parted.add(step);
      continue;
    }
    // who never came to be has nothing to follow either
    if (isError(theirs.get("status")) !== isError(own.get("status"))) parted.add(step);
    found.push(...reported(step, [theirs, own]));
  }
  return { found, later: Promise.all(later).then((lists) => lists.flat()) };
}

type Lines = ReadonlyMap<string, string>;

function reported(step: Step, [theirs, own]: readonly [Lines, Lines]): Difference[] {
  return differences(theirs, own).map((what) => ({ title: titleOf(step), what }));
}

const triesMost = 600;

async function ask(peer: Peer, step: Step): Promise<Map<string, string>> {
  try {
    let answer: Exchanged = await exchange(peer.socket, step, peer.saved);
    for (let tries = 0; step.until && tries < triesMost; tries++) {
      if (step.until.test(answer.body.toString())) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
      answer = await exchange(peer.socket, step, peer.saved);
    }
    save(step, answer, peer.saved);
    findAmbiguous(peer);
    return linesOf(step, answer);
  } catch (error) {
    return new Map([["status", `none: ${error instanceof Error ? error.message : String(error)}`]]);
  }
}

/** Two of seventeen ids begin with the same digit. */
function findAmbiguous({ saved }: Peer): void {
  const ids = [...saved].flatMap(([name, id]) => (/^many\d+$/.test(name) ? [id] : []));
  const digit = ids.map((id) => id.slice(0, 1)).find((first, at, all) => all.indexOf(first) !== at);
  if (digit !== undefined) saved.set("ambiguous", digit);
  const [one] = ids;
  if (one !== undefined) saved.set("many0-prefix", one.slice(0, 20));
}
