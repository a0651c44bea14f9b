// The forwarding thread: connections and datagrams moved between sockets outside JavaScript (splice(2), recvmmsg(2)).

import { type ForwarderCounters, spliceAddon } from "../../native/splice.ts";
import { type Address, addressBytes, type Protocol, protocolNumber } from "../netip/index.ts";
import { sayingNow } from "./errors.ts";

export type { ForwarderCounters };

export interface ForwardingOptions {
  /** Path of the namespace in which targets are connected to; undefined = the process's own. */
  readonly netns?: string | undefined;
  /** Connections and flows at a time, in all and of one port; 0 = as many as there are descriptors. */
  readonly connections?: number;
  readonly connectionsEach?: number;
  /** A udp flow ends when nothing passed for as long. */
  readonly idleMs: number;
}

export interface ForwardSpec {
  /** A bound socket. */
  readonly fd: number;
  readonly protocol: Protocol;
  readonly target: Address;
  readonly targetPort: number;
}

/** One thread for any number of ports. */
export interface ForwardingThread extends Disposable {
  /**
   * Serves a port from now on: listens (tcp, sctp) and takes a drop-all filter off the socket. Takes the fd over, also
   * when it throws KernelError (EADDRINUSE: somebody else listens there).
   */
  add(id: number, spec: ForwardSpec): void;
  /** Ends ports and their connections; a socket that somebody else holds too stays bound but listens no more. */
  remove(ids: readonly number[]): void;
  counters(): ForwarderCounters;
  /** Idempotent; `add`, `remove` and `counters` throw afterwards. */
  close(): void;
}

/** Starts the thread. Throws KernelError: ENOENT for a netns that is not there. */
export function startForwarding(options: ForwardingOptions): ForwardingThread {
  const native = spliceAddon();
  const { netns, connections = 0, connectionsEach = 0, idleMs } = options;
  const handle = sayingNow("start forwarding", () =>
    native.forwarderStart(netns, connections, connectionsEach, idleMs),
  );
  return {
    add: (id, { fd, protocol, target, targetPort }) => {
      const number = protocolNumber[protocol];
      sayingNow("forward", () =>
        native.forwarderAdd(handle, id, fd, number, addressBytes(target), targetPort),
      );
    },
    remove: (ids) => native.forwarderRemove(handle, ids),
    counters: () => native.forwarderCounters(handle),
    close: () => native.forwarderStop(handle),
    [Symbol.dispose]: () => native.forwarderStop(handle),
  };
}
