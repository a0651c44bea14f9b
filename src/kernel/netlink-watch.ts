// Netlink notifications: a socket that has joined multicast groups, read when the event loop says so.

import { type Addon, addon, readable } from "../../native/index.ts";
import { hasCode } from "../util/errors.ts";
import { decodeMessages, type Message } from "./codec.ts";
import { saying } from "./errors.ts";

/** Ends the watching. Idempotent; nothing is called after it. */
export interface Watch extends Disposable {
  close(): void;
}

/** What to hear. */
export interface WatchSpec {
  /** See `netlinkProtocol`. */
  readonly protocol: number;
  /** Path of a namespace file; undefined = the process's own. */
  readonly netns?: string | undefined;
  /** Numbers of multicast groups (RTNLGRP_*, NFNLGRP_*). */
  readonly groups: readonly number[];
  /** At least one message; those that came together come together. */
  readonly messages: (messages: readonly Message[]) => void;
  /** Notifications came faster than they were read and were lost: look at everything again. What comes after is told. */
  readonly lost: () => void;
}

/** Notifications from the moment it resolves. Keeps the process alive until it is closed. */
export async function watchNetlink(spec: WatchSpec): Promise<Watch> {
  const native = addon();
  const words = `watch netlink ${spec.protocol} in ${spec.netns ?? "the own namespace"}`;
  const fd = await saying(words, native.netlinkOpen(spec.protocol, spec.netns, spec.groups));
  let open = true;
  const poll = native.pollStart(fd, readable, () => {
    const messages = receive(native, fd, spec.lost);
    // the listener of `lost` may have closed it
    if (open && messages.length > 0) spec.messages(messages);
  });
  const close = () => {
    if (!open) return;
    open = false;
    native.pollStop(poll);
    native.fdClose(fd);
  };
  return { close, [Symbol.dispose]: close };
}

function receive(native: Addon, fd: number, lost: () => void): Message[] {
  try {
    const bytes = native.netlinkReceive(fd);
    return bytes ? decodeMessages(bytes) : [];
  } catch (error) {
    if (!hasCode(error, "ENOBUFS")) throw error;
    lost();
    return [];
  }
}
