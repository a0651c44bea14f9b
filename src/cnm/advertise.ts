// Telling the neighbours on a network who has an endpoint's addresses now: they may remember another MAC, of a container
// that had the address before. The first message goes at once, the others follow in the background.

import { announcement, type Netlink } from "../kernel/index.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Netns } from "./netns.ts";
import { networkAdvertising } from "./network-options.ts";

/** Resolves when the first message is out. Never rejects: a network works without, only later. */
export async function advertise(log: Log, endpoint: Endpoint, netns: Netns): Promise<void> {
  const { link, interface: own } = endpoint.record;
  const { count, intervalMs } = networkAdvertising(endpoint.network.record);
  const { macAddress: mac } = own;
  const prefixes = [own.address, own.addressIpv6].filter((prefix) => prefix !== undefined);
  if (!link || !mac || prefixes.length === 0 || count === 0) return;
  const frames = prefixes.map(({ address }) => announcement(mac, address));
  const send = async () => {
    try {
      await netns.sendFrames(link.index, frames);
    } catch (error) {
      // it left, or the container has taken its link down
      log.debug({ link: link.name, reason: errorMessage(error) }, "cannot announce addresses");
    }
  };
  const isDue = () => endpoint.network.endpoints.has(endpoint.id);
  await untilRunning(netns.netlink, link.index, isDue);
  await send();
  repeat(count - 1, { intervalMs, send, isDue });
}

/** How long a link is waited for that does not run; then the message goes all the same, and may be lost. */
const patienceMs = 1_000;
const firstLookMs = 1;
const longestLookMs = 16;

/**
 * The other end of a link that comes up learns of it a moment later (linkwatch in net/core/link_watch.c), on a busy machine
 * a long one, and a bridge takes nothing from a port until then. Both ends are told in one go, so what this end says holds
 * for the other.
 */
async function untilRunning(netlink: Netlink, link: number, isDue: () => boolean): Promise<void> {
  const late = performance.now() + patienceMs;
  for (let lookMs = firstLookMs; isDue(); lookMs = Math.min(2 * lookMs, longestLookMs)) {
    const found = await netlink.link(link).catch(() => undefined);
    if (!found || found.running || performance.now() > late) return;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

interface Repetition {
  readonly intervalMs: number;
  readonly send: () => Promise<void>;
  readonly isDue: () => boolean;
}

function repeat(times: number, repetition: Repetition): void {
  if (times <= 0) return;
  const { intervalMs, send, isDue } = repetition;
  const next = () => {
    if (!isDue()) return;
    void send();
    repeat(times - 1, repetition);
  };
  // a daemon that ends does not wait for it
  setTimeout(next, intervalMs).unref();
}
