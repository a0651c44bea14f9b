// Which hosts are members: a pure rule over who is there. See docs/decisions/0016.

import type { HostRole } from "../trust/index.ts";

/** What the host's operator asked for: `auto` leaves it to the cluster. */
export type Wish = HostRole | "auto";

/** `offered`: the cluster wants it as a member, and the host has not taken the seat yet. */
export type Seat = HostRole | "offered";

export interface Candidate {
  readonly nodeId: string;
  readonly wish: Wish;
  readonly seat: Seat;
  /** ISO 8601; the earliest come first. */
  readonly joinedAt: string;
  readonly isAlive: boolean;
}

export interface SeatPlan {
  readonly offer: readonly string[];
  readonly withdraw: readonly string[];
}

/** Members that hosts become on their own; more (up to 5) only by wish. */
const usualMembers = 3;
const mostMembers = 5;

/**
 * Whom to offer a seat, and from whom to take an offer back. Members are 1, 3 or 5: an even number tolerates no more
 * failures than the odd one below it and has one more host to fail. Nobody loses a seat by this.
 */
export function planSeats(hosts: readonly Candidate[]): SeatPlan {
  const members = hosts.filter(({ seat }) => seat === "member").length;
  const willing = hosts
    .filter(({ seat, wish, isAlive }) => seat !== "member" && wish !== "node" && isAlive)
    .sort(byClaim);
  const chosen = willing.slice(0, seatsToFill(members, willing)).map(({ nodeId }) => nodeId);
  const offered = hosts.filter(({ seat }) => seat === "offered").map(({ nodeId }) => nodeId);
  return {
    offer: chosen.filter((id) => !offered.includes(id)),
    withdraw: offered.filter((id) => !chosen.includes(id)),
  };
}

function seatsToFill(members: number, willing: readonly Candidate[]): number {
  // first those that make three, of whom any will do; then pairs of those that asked for it
  const usual = oddUpTo(Math.min(usualMembers, members + willing.length));
  if (members < usual) return usual - members;
  const asking = willing.filter(({ wish }) => wish === "member").length;
  const more = oddUpTo(Math.min(mostMembers, members + asking));
  return members >= usualMembers ? Math.max(0, more - members) : 0;
}

const oddUpTo = (number: number) => (number % 2 === 0 ? number - 1 : number);

// Who has an offer keeps it, who asked comes before who did not, and then who came first.
function byClaim(a: Candidate, b: Candidate): number {
  return claim(a).localeCompare(claim(b));
}

function claim({ seat, wish, joinedAt, nodeId }: Candidate): string {
  return [seat === "offered" ? 0 : 1, wish === "member" ? 0 : 1, joinedAt, nodeId].join(" ");
}
