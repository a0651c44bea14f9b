// The stream of task events, kept open for ever. containerd sends events once and keeps none: what happened while
// the stream was down is found out by comparing the tasks that we knew with those that there are.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type { Containerd } from "./containerd.ts";
import { unknownExitCode } from "./exit-status.ts";
import type { Envelope } from "./gen/events_pb.ts";
import type { Process } from "./gen/process_pb.ts";
import { decodeTaskEvent, type TaskEvent, type TaskExit } from "./task-event.ts";
import { toDate } from "./values.ts";

export interface TaskEvents extends AsyncDisposable {
  /** Calls back for every event, in order; a listener that throws is logged. Returns how to stop listening. */
  onEvent(listener: (event: TaskEvent) => void): () => void;
  /** Calls back when a first process or an exec ended, once for each; also for ends that happened while containerd was away. */
  onTaskExit(listener: (exit: TaskExit) => void): () => void;
  close(): Promise<void>;
}

const markerTopic = "/tsdocker/subscribed";
const markerEveryMs = 20;
const stopped = 3;
// How many ends are remembered so that containerd's repetitions are told from news.
const rememberedExits = 1024;

/**
 * Subscribes to the events of the namespace and resolves when the subscription is known to be in force. It is renewed
 * for ever; first processes that ended meanwhile are reported with the code that containerd still knows, else 255.
 * A `listener` given here misses nothing, not even tasks that were found ended at the first subscription.
 */
export async function watchTasks(
  containerd: Containerd,
  listener?: (event: TaskEvent) => void,
): Promise<TaskEvents> {
  const watch = new TaskWatch(containerd);
  if (listener) watch.onEvent(listener);
  await watch.begin();
  return watch;
}

class TaskWatch implements TaskEvents {
  readonly #containerd: Containerd;
  readonly #log: Log;
  readonly #listeners = new Set<(event: TaskEvent) => void>();
  readonly #stop = new AbortController();
  /** First processes that live, by container: what a gap is compared with. */
  readonly #live = new Map<string, number>();
  /** First processes whose end was reported, by container, oldest first. */
  readonly #ended = new Map<string, number>();
  #running: Promise<void> = Promise.resolve();

  constructor(containerd: Containerd) {
    this.#containerd = containerd;
    this.#log = containerd.log.child({ part: "events" });
  }

  begin(): Promise<void> {
    return new Promise((resolve, reject) => {
      let begun = false;
      const subscribed = () => {
        begun = true;
        resolve();
      };
      this.#running = this.#keepSubscribed(subscribed, (error) => {
        if (!begun) reject(error);
        return begun;
      });
    });
  }

  onEvent(listener: (event: TaskEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onTaskExit(listener: (exit: TaskExit) => void): () => void {
    return this.onEvent((event) => {
      if (event.kind === "exit") listener(event);
    });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #keepSubscribed(subscribed: () => void, mayRetry: (error: unknown) => boolean): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#subscribeOnce(subscribed);
      } catch (error) {
        if (signal.aborted || !mayRetry(error)) return;
        this.#log.warn({ reason: errorMessage(error) }, "the event stream broke, subscribing again");
      }
      await sleep(100, undefined, { signal }).catch(() => undefined);
    }
  }

  async #subscribeOnce(subscribed: () => void): Promise<void> {
    const { events } = this.#containerd.services;
    const namespace = `namespace==${JSON.stringify(this.#containerd.namespace)}`;
    const filters = [`${namespace},topic~=|^/tasks/|`, `${namespace},topic==${JSON.stringify(markerTopic)}`];
    const marker = randomUUID();
    const inForce = new AbortController();
    const marking = this.#sendMarkers(marker, AbortSignal.any([this.#stop.signal, inForce.signal]));
    try {
      for await (const envelope of events.subscribe({ filters }, { signal: this.#stop.signal })) {
        if (!inForce.signal.aborted && isMarker(envelope, marker)) {
          inForce.abort();
          await this.#closeGap();
          subscribed();
        }
        this.#take(envelope);
      }
    } finally {
      inForce.abort();
      await marking;
    }
  }

  /** containerd does not say when a subscription begins: an event of our own that comes back says it. */
  async #sendMarkers(marker: string, until: AbortSignal): Promise<void> {
    const event = { typeUrl: "tsdocker.Marker", value: Buffer.from(marker) };
    while (!until.aborted) {
      // a marker that is lost is followed by the next
      await this.#containerd.services.events.publish({ topic: markerTopic, event }).catch(() => undefined);
      await sleep(markerEveryMs, undefined, { signal: until }).catch(() => undefined);
    }
  }

  async #closeGap(): Promise<void> {
    const { tasks } = await this.#containerd.services.tasks.list({});
    const now = new Map(tasks.map((task) => [task.id, task]));
    for (const [containerId, pid] of [...this.#live]) {
      if (now.get(containerId)?.pid !== pid) this.#exited(missedExit(containerId, pid));
    }
    for (const task of tasks) {
      if (task.status === stopped) this.#exited(missedExit(task.id, task.pid, task));
      else this.#live.set(task.id, task.pid);
    }
  }

  #take(envelope: Envelope): void {
    const event = decodeTaskEvent(envelope);
    if (!event) return;
    if (event.kind === "create" && this.#ended.get(event.containerId) !== event.pid)
      this.#live.set(event.containerId, event.pid);
    if (event.kind === "exit" && !event.execId) this.#exited(event);
    else this.#emit(event);
  }

  #exited(exit: TaskExit): void {
    if (this.#ended.get(exit.containerId) === exit.pid) return;
    if (this.#live.get(exit.containerId) === exit.pid) this.#live.delete(exit.containerId);
    this.#ended.delete(exit.containerId);
    this.#ended.set(exit.containerId, exit.pid);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= rememberedExits) break;
      this.#ended.delete(oldest);
    }
    this.#emit(exit);
  }

  #emit(event: TaskEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#log.error(
          { event: event.kind, reason: errorMessage(error) },
          "a listener of task events failed",
        );
      }
    }
  }
}

function isMarker(envelope: Envelope, marker: string): boolean {
  return (
    envelope.topic === markerTopic &&
    Buffer.from(envelope.event?.value ?? [])
      .toString()
      .includes(marker)
  );
}

function missedExit(containerId: string, pid: number, task?: Process): TaskExit {
  return {
    kind: "exit",
    containerId,
    pid,
    code: task?.exitStatus ?? unknownExitCode,
    at: task?.exitedAt ? toDate(task.exitedAt) : new Date(),
  };
}
