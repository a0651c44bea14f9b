// The daemon's handle on its proxy: finds the one that runs or starts one, tells it what is wished, and starts and
// tells anew when it dies.

import type { ChildProcess } from "node:child_process";
import type { ZoneRecord } from "../dns/index.ts";
import { EngineError, errorMessage, unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { ProxyConnection } from "./connection.ts";
import { type Hello, protocolVersion } from "./messages.ts";
import { exitOf, type ProgramOptions, spawnProxy } from "./program.ts";
import type {
  Forward,
  Forwarder,
  ParkedSockets,
  ProxyCounters,
  ResolverConfig,
  ResolverPorts,
  Resolvers,
  StreamHolder,
} from "./types.ts";

export interface ProxyOptions extends ProgramOptions {
  /** A restarted proxy could not have a resolver's ports again: rules that lead to the old ones need an update. */
  readonly portsMoved?: (sandboxId: string, ports: ResolverPorts) => void;
  readonly log: Log;
}

export interface ProxyHandle extends Forwarder, Resolvers, StreamHolder, AsyncDisposable {
  /** Of the process that serves now. */
  readonly pid: number | undefined;
  /**
   * Ends what an earlier daemon wished and this one has not: call it when everything has been restored.
   */
  sweep(): Promise<void>;
  /** Copies of all that is held: how a restarted daemon gets its reservations back. The caller owns them. */
  heldSockets(): Promise<readonly ParkedSockets[]>;
  counters(): Promise<ProxyCounters>;
  /** Leaves the proxy serving and lets go of it. Idempotent. */
  detach(): void;
  /** Ends the proxy and everything it serves. Idempotent; the same as disposing. */
  stop(): Promise<void>;
}

const helloTimeoutMs = 5000;
const stopTimeoutMs = 5000;
const restartPauseMs = 500;

/**
 * Adopts the proxy at the control socket, or starts one that outlives this process.
 * @throws unavailable when none can be started
 */
export async function startProxy(options: ProxyOptions): Promise<ProxyHandle> {
  const handle = new Handle(options);
  await handle.ready();
  return handle;
}

interface PortsWish {
  readonly forwards: readonly Forward[];
  readonly held: readonly ParkedSockets[];
}

const nothing: PortsWish = { forwards: [], held: [] };

interface Desired {
  readonly ports: Map<string, PortsWish>;
  readonly resolvers: Map<string, ResolverConfig>;
  readonly records: Map<string, ZoneRecord>;
  readonly streams: Map<string, readonly string[]>;
}

class Handle implements ProxyHandle {
  readonly #options: ProxyOptions;
  readonly #log: Log;
  readonly #desired: Desired = {
    ports: new Map(),
    resolvers: new Map(),
    records: new Map(),
    streams: new Map(),
  };
  /** Of the resolvers, as their sandboxes know them. */
  readonly #ports = new Map<string, ResolverPorts>();
  #connecting: Promise<ProxyConnection> | undefined;
  #connection: ProxyConnection | undefined;
  #child: ChildProcess | undefined;
  #isSwept = false;
  #isLeft = false;
  #pause: NodeJS.Timeout | undefined;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  get pid(): number | undefined {
    return this.#connection?.pid;
  }

  async ready(): Promise<void> {
    await this.#connected();
  }

  async setForwards(
    owner: string,
    forwards: readonly Forward[],
    held: readonly ParkedSockets[],
  ): Promise<void> {
    const isEmpty = forwards.length === 0 && held.length === 0;
    await this.#set(this.#desired.ports, owner, isEmpty ? undefined : { forwards, held }, (connection) => {
      const wish = this.#desired.ports.get(owner) ?? nothing;
      return connection.setForwards(owner, wish.forwards, wish.held);
    });
  }

  async setResolver(
    sandboxId: string,
    config: ResolverConfig | undefined,
  ): Promise<ResolverPorts | undefined> {
    const ports = await this.#set(this.#desired.resolvers, sandboxId, config, (connection) => {
      const wish = this.#desired.resolvers.get(sandboxId);
      return connection.setResolver(sandboxId, wish, this.#ports.get(sandboxId));
    });
    put(this.#ports, sandboxId, ports);
    return ports;
  }

  setRecord(endpointId: string, record: ZoneRecord | undefined): Promise<void> {
    return this.#set(this.#desired.records, endpointId, record, (connection) =>
      connection.setRecord(endpointId, this.#desired.records.get(endpointId)),
    );
  }

  holdStreams(key: string, paths: readonly string[]): Promise<void> {
    return this.#set(this.#desired.streams, key, paths.length > 0 ? paths : undefined, (connection) =>
      connection.holdStreams(key, this.#desired.streams.get(key) ?? []),
    );
  }

  retainStreams(keys: readonly string[]): Promise<void> {
    return this.#whenConnected((connection) => connection.retainStreams(keys));
  }

  async sweep(): Promise<void> {
    this.#isSwept = true;
    await this.#whenConnected((connection) => connection.sweep());
  }

  heldSockets(): Promise<readonly ParkedSockets[]> {
    return this.#whenConnected((connection) => connection.heldSockets());
  }

  counters(): Promise<ProxyCounters> {
    return this.#whenConnected((connection) => connection.counters());
  }

  detach(): void {
    this.#isLeft = true;
    clearTimeout(this.#pause);
    this.#connection?.close();
    this.#child?.removeAllListeners();
  }

  async stop(): Promise<void> {
    if (this.#isLeft) return;
    this.#isLeft = true;
    clearTimeout(this.#pause);
    const connection = this.#connection ?? (await this.#connecting?.catch(() => undefined));
    if (!connection) return;
    const exited = this.#child?.exitCode === null ? exitOf(this.#child, stopTimeoutMs) : undefined;
    await connection.stop(stopTimeoutMs);
    await exited;
    connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Records the wish and tells it; a wish that the proxy refuses is not kept. */
  async #set<T, R>(
    wishes: Map<string, T>,
    key: string,
    wish: T | undefined,
    tell: (connection: ProxyConnection) => Promise<R>,
  ): Promise<R> {
    const before = wishes.get(key);
    put(wishes, key, wish);
    try {
      return await this.#whenConnected(tell);
    } catch (error) {
      if (wishes.get(key) === wish) put(wishes, key, before);
      throw error;
    }
  }

  /** Asks again when the proxy died in between: every question is one that may be repeated. */
  async #whenConnected<R>(ask: (connection: ProxyConnection) => Promise<R>): Promise<R> {
    for (let tries = 0; ; tries++) {
      const connection = this.#connection?.isOpen ? this.#connection : await this.#connected();
      try {
        return await ask(connection);
      } catch (error) {
        if (connection.isOpen || tries === 3) throw error;
      }
    }
  }

  #connected(): Promise<ProxyConnection> {
    if (this.#isLeft) throw unavailable("tsdocker-proxy: the daemon has let go of it");
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<ProxyConnection> {
    try {
      const connection = (await this.#adopt()) ?? (await this.#start());
      await this.#tellAll(connection);
      this.#connection = connection;
      if (!connection.isOpen) this.#onLost(connection);
      return connection;
    } catch (error) {
      if (error instanceof EngineError) throw error;
      throw unavailable(`start tsdocker-proxy: ${errorMessage(error)}`, error);
    }
  }

  /** The proxy that listens at the control socket, if it speaks as we do. */
  async #adopt(): Promise<ProxyConnection | undefined> {
    const connection = this.#open();
    if (!connection) return undefined;
    const hello = await connection.hello(helloTimeoutMs);
    if (hello.version === protocolVersion) return this.#greeted(connection, hello);
    this.#log.warn({ theirs: hello.version, ours: protocolVersion }, "replacing a proxy of another version");
    await connection.stop(stopTimeoutMs);
    connection.close();
    return undefined;
  }

  async #start(): Promise<ProxyConnection> {
    this.#child = await spawnProxy(this.#options);
    const connection = this.#open();
    if (!connection) throw new Error("it does not answer");
    const hello = await connection.hello(helloTimeoutMs);
    this.#log.info({ proxy: hello.pid }, "started tsdocker-proxy");
    return this.#greeted(connection, hello);
  }

  #greeted(connection: ProxyConnection, hello: Hello): ProxyConnection {
    connection.pid = hello.pid;
    return connection;
  }

  #open(): ProxyConnection | undefined {
    const lost = (connection: ProxyConnection) => this.#onLost(connection);
    return ProxyConnection.open(this.#options.controlPath, lost);
  }

  async #tellAll(connection: ProxyConnection): Promise<void> {
    const { records, resolvers, ports, streams } = this.#desired;
    const told = [
      ...[...records].map(([id, record]) => connection.setRecord(id, record)),
      ...[...resolvers].map(([id, config]) => this.#tellResolver(connection, id, config)),
      ...[...ports].map(([owner, { forwards, held }]) => connection.setForwards(owner, forwards, held)),
      ...[...streams].map(([key, paths]) => connection.holdStreams(key, paths)),
    ];
    for (const outcome of await Promise.allSettled(told))
      if (outcome.status === "rejected")
        this.#log.warn(
          { reason: errorMessage(outcome.reason) },
          "tsdocker-proxy could not be told everything",
        );
    if (this.#isSwept) await connection.sweep();
  }

  /** With the ports that it had: rules in the sandbox lead there. */
  async #tellResolver(connection: ProxyConnection, id: string, config: ResolverConfig): Promise<void> {
    const before = this.#ports.get(id);
    const ports = await connection.setResolver(id, config, before);
    if (!ports || (before?.udp === ports.udp && before.tcp === ports.tcp)) return;
    this.#ports.set(id, ports);
    if (before) this.#options.portsMoved?.(id, ports);
  }

  #onLost(connection: ProxyConnection): void {
    if (this.#isLeft || this.#connection !== connection) return;
    this.#connection = undefined;
    this.#log.warn({ proxy: connection.pid }, "tsdocker-proxy is gone: starting another");
    this.#reconnect();
  }

  #reconnect(): void {
    if (this.#isLeft) return;
    this.#connected().catch((error: unknown) => {
      this.#log.error({ reason: errorMessage(error) }, "tsdocker-proxy cannot be started");
      this.#pause = setTimeout(() => this.#reconnect(), restartPauseMs);
    });
  }
}

function put<T>(wishes: Map<string, T>, key: string, wish: T | undefined): void {
  if (wish === undefined) wishes.delete(key);
  else wishes.set(key, wish);
}
