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

/** The differences of all steps. `dockerd` is the measure. */
export async function compareSteps(
  { dockerd, ours }: { dockerd: Peer; ours: Peer },
  steps: readonly Step[],
): Promise<Difference[]> {
  const found: Difference[] = [];
  const parted = new Set<Step>();
  for (const step of steps) {
    const [theirs, own] = await Promise.all([ask(dockerd, step), ask(ours, step)]);
    if (step.follows && parted.has(step.follows)) {
      parted.add(step);
      continue;
    }
    // who never came to be has nothing to follow either
    if (isError(theirs.get("status")) !== isError(own.get("status"))) parted.add(step);
    for (const what of differences(theirs, own)) found.push({ title: titleOf(step), what });
  }
  return found;
}

const triesMost = 200;

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
