// Connection tracking: find the entries of a namespace, delete those that match and no others.

import type { Address } from "../netip/index.ts";
import {
  addressesLeftOver,
  type ConntrackEntry,
  type ConntrackFilter,
  counting,
  decodeConntrack,
  decodeCount,
  deletion,
  listing,
  looking,
  matches,
  mentions,
  sweeping,
  type ToldConnection,
} from "./conntrack-messages.ts";
import { conntrackLines, lineAddress, readLine } from "./conntrack-text.ts";
import { type NetlinkSocket, netlinkProtocol, openNetlinkSocket } from "./netlink-socket.ts";
import type { Request } from "./request.ts";

// how many deletions go into one sendmsg
const batchSize = 512;

/** `conntrack -L`: the entries of a namespace that match. */
export async function listConntrack(filter: ConntrackFilter, netns?: string): Promise<ConntrackEntry[]> {
  await using conntrack = await openConntrack(netns);
  return await conntrack.list(filter);
}

/** `conntrack -D`: deletes what matches and nothing else; resolves with how many. A filter of the family alone is refused. */
export async function deleteConntrack(filter: ConntrackFilter, netns?: string): Promise<number> {
  await using conntrack = await openConntrack(netns);
  return await conntrack.delete(filter);
}

/** What a filter cannot say. */
export interface ConntrackChoice {
  readonly isUnwanted: (entry: ConntrackEntry) => boolean;
  /** Entries in which none of these occurs anywhere are passed over, cheaply. Absent: none is. */
  readonly among?: readonly Address[];
}

/** What one look through the connections is to find. */
export interface ConntrackSearch extends ConntrackChoice {
  readonly filter: ConntrackFilter;
  /** The same in filters alone, where they can say it: what matches one of these, and nothing else. */
  readonly exact?: readonly ConntrackFilter[];
}

/** The connections of one namespace. */
export interface Conntrack extends AsyncDisposable {
  list(filter: ConntrackFilter): Promise<ConntrackEntry[]>;
  /**
   * Deletes what matches the filter and, where it is given, the choice; resolves with how many.
   * @throws RangeError for a filter of the family alone or of nothing, without a choice
   */
  delete(filter: ConntrackFilter, choice?: ConntrackChoice): Promise<number>;
  /**
   * Deletes what any of the searches finds. Those that are `exact` are left to the kernel, where it can. Each of the
   * others would be a walk through all of the kernel's table, empty or not: 10 ms for the usual 262,144 buckets, during
   * which one processor serves no packets and whoever changes links waits. Where there are few connections one walk does
   * for all of them, and none where there are none.
   */
  deleteAny(searches: readonly ConntrackSearch[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Keeps a socket open for repeated use: closing one right after nftables deletions makes the kernel wait 10 to 15 ms.
 * Undefined = the process's own namespace.
 */
export async function openConntrack(netns?: string): Promise<Conntrack> {
  const socket = await openNetlinkSocket(netlinkProtocol.netfilter, netns);
  const close = () => socket.close();
  const sweeper = new Sweeper(socket);
  return {
    list: async (filter) => (await find(socket, filter)).map(({ entry }) => entry),
    delete: (filter, choice) => deleteFound(socket, filter, choice),
    deleteAny: async (searches) => {
      const left = await sweeper.sweep(searches);
      const count = left.length > 0 ? await countEntries(socket) : 0;
      if (count > 0) await deleteByLooking({ socket, netns, count }, left);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

// As many as are listed and read in the time of one walk.
const entriesPerWalk = 500;

/** Deletions that the kernel does by itself, if it can. */
class Sweeper {
  readonly #socket: NetlinkSocket;
  #isAble = true;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** Answers the searches that are left to be walked for. */
  async sweep(searches: readonly ConntrackSearch[]): Promise<readonly ConntrackSearch[]> {
    const plans = searches.map((search) => ({ search, requests: sweepsFor(search) }));
    const requests = plans.flatMap((plan) => plan.requests ?? []);
    if (!this.#isAble) return searches;
    const { errors } = await this.#socket.exchange(requests);
    const failure = errors.find(({ code }) => code !== "ENOENT"); // gone by itself
    if (!failure) return plans.filter((plan) => !plan.requests).map(({ search }) => search);
    if (failure.code !== "EINVAL" && failure.code !== "EOPNOTSUPP") throw failure;
    this.#isAble = false;
    return searches;
  }
}

/** Undefined when the kernel cannot be left alone with it. */
function sweepsFor({ exact }: ConntrackSearch): Request[] | undefined {
  const requests = exact?.map(sweeping);
  return requests?.every((request) => request !== undefined) ? requests : undefined;
}

/** A namespace with connections in it. */
interface Crowd {
  readonly socket: NetlinkSocket;
  readonly netns: string | undefined;
  readonly count: number;
}

// As many as are told and looked through in a tenth of the time of a walk.
const fewEntries = 500;

async function deleteByLooking(crowd: Crowd, searches: readonly ConntrackSearch[]): Promise<void> {
  const told = crowd.count <= fewEntries ? await toldTargets(crowd, inOne(searches)) : undefined;
  if (!told) return await deleteByWalks(crowd, searches);
  const found = await lookUp(crowd.socket, told);
  const isUnwanted = isFoundBy(searches);
  await deleteAll(
    crowd.socket,
    found.filter(({ entry }) => isUnwanted(entry)),
  );
}

/** Unwanted connections by what the kernel tells in text; undefined when it may have told less than there is to know. */
async function toldTargets(
  { netns, count }: Crowd,
  { among, isUnwanted }: ConntrackSearch,
): Promise<ToldConnection[] | undefined> {
  const lines = await conntrackLines(netns);
  // those that come and go while it tells may hide others
  if (!lines || lines.length < count) return undefined;
  const texts = among?.map(lineAddress);
  const likely = lines.filter((line) => !texts || texts.some((text) => line.includes(text)));
  const told = likely.map(readLine);
  return told.every((entry) => entry !== undefined) ? told.filter(isUnwanted) : undefined;
}

/** They may have become others by now. */
async function lookUp(socket: NetlinkSocket, told: readonly ToldConnection[]): Promise<Found[]> {
  const { answers, errors } = await socket.exchange(told.map(looking));
  const failure = errors.find(({ code }) => code !== "ENOENT");
  if (failure) throw failure;
  return answers.flatMap(({ payload }) => {
    const entry = decodeConntrack(payload);
    return entry ? [{ entry, payload }] : [];
  });
}

async function deleteByWalks({ socket, count }: Crowd, searches: readonly ConntrackSearch[]): Promise<void> {
  const isOneCheaper = count <= entriesPerWalk * (searches.length - 1);
  const walks = isOneCheaper ? [inOne(searches)] : searches;
  for (const { filter, ...choice } of walks) await deleteFound(socket, filter, choice);
}

async function countEntries(socket: NetlinkSocket): Promise<number> {
  const answers = await socket.send([counting()]);
  return answers.map(({ payload }) => decodeCount(payload)).find((count) => count !== undefined) ?? Infinity;
}

function inOne(searches: readonly ConntrackSearch[]): ConntrackSearch {
  const lists = searches.map(({ among }) => among);
  const among = lists.every((list) => list !== undefined) ? lists.flat() : undefined;
  return {
    filter: {},
    isUnwanted: isFoundBy(searches),
    ...(among && { among }),
  };
}

function isFoundBy(searches: readonly ConntrackSearch[]) {
  return (entry: ConntrackEntry) =>
    searches.some(({ filter, isUnwanted }) => matches(entry, filter) && isUnwanted(entry));
}

async function deleteFound(
  socket: NetlinkSocket,
  filter: ConntrackFilter,
  choice?: ConntrackChoice,
): Promise<number> {
  const isForAll = Object.entries(filter).every(([key, value]) => key === "family" || value === undefined);
  if (isForAll && !choice)
    throw new RangeError("delete conntrack entries: the filter would match every connection");
  const found = await find(socket, filter, choice?.among);
  return await deleteAll(
    socket,
    found.filter(({ entry }) => choice?.isUnwanted(entry) ?? true),
  );
}

async function deleteAll(socket: NetlinkSocket, found: readonly Found[]): Promise<number> {
  const requests = found.map(({ payload, entry }) => deletion(payload, entry));
  let deleted = 0;
  for (let at = 0; at < requests.length; at += batchSize) {
    const batch = requests.slice(at, at + batchSize);
    const { errors } = await socket.exchange(batch);
    const failure = errors.find(({ code }) => code !== "ENOENT"); // gone by itself
    if (failure) throw failure;
    deleted += batch.length - errors.length;
  }
  return deleted;
}

interface Found {
  readonly entry: ConntrackEntry;
  readonly payload: Buffer;
}

async function find(
  socket: NetlinkSocket,
  filter: ConntrackFilter,
  among?: readonly Address[],
): Promise<Found[]> {
  const answers = await socket.dump(listing(filter));
  const all = addressesLeftOver(filter);
  return answers.flatMap(({ payload }) => {
    if (!all.every((address) => mentions(payload, address))) return [];
    if (among && !among.some((address) => mentions(payload, address))) return [];
    const entry = decodeConntrack(payload);
    return entry && matches(entry, filter) ? [{ entry, payload }] : [];
  });
}
