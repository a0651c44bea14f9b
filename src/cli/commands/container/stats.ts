// stats.

import { jsonStream } from "../../client/json.ts";
import { containerPath, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { joinErrors } from "../../errors.ts";
import { bool, formatFlag } from "../../flags/spec.ts";
import { writeRows } from "../../format/rows.ts";
import {
  type StatsMessage,
  type StatsSample,
  sampleOf,
  statsFormat,
  statsLayout,
  statsRow,
} from "../../format/stats.ts";
import type { Session } from "../../session.ts";
import type { Output } from "../../streams.ts";
import type { ContainerSummary, EventMessage } from "../../wire.ts";

export const stats: CommandSpec = {
  usage: "[OPTIONS] [CONTAINER...]",
  aliases: ["tsdocker container stats", "tsdocker stats"],
  args: minArgs(0),
  flags: [
    bool("all", "Show all containers (default shows just running)", { short: "a" }),
    bool("no-stream", "Disable streaming stats and only pull the first result"),
    bool("no-trunc", "Do not truncate output"),
    formatFlag,
  ],
  run: runStats,
};

/** What is watched: each container's last sample, or why there is none. */
interface Watch {
  readonly container: string;
  sample: StatsSample | undefined;
  error: unknown;
  /** Resolves with the first sample or error. */
  readonly first: Promise<void>;
}

const refreshMs = 500;

async function runStats({ session, flags, args }: Invocation): Promise<void> {
  const stream = !flags.bool("no-stream");
  const all = flags.bool("all");
  await session.client.version(); // one ping for all the requests to come
  const watches = new Map<string, Watch>();
  const add = (container: string) => {
    if (!watches.has(container)) watches.set(container, watch(session, container, stream));
  };
  const remove = (container: string) => watches.delete(container);
  const events = args.length === 0 ? await watchAll(session, { all, add, remove }) : undefined;
  for (const container of args) add(container);
  await Promise.all([...watches.values()].map((one) => one.first));
  const errors = [...watches.values()].flatMap((one) => (one.error === undefined ? [] : [one.error]));
  const failed = args.length > 0 ? joinErrors(errors) : undefined;
  if (failed) throw failed;
  const format = statsFormat(flags.string("format") || session.config.content.statsFormat || "table");
  const draw = () => drawRows(session.out, { format, stream, truncate: !flags.bool("no-trunc"), watches });
  if (!stream) return draw();
  await redraw(draw, events?.ended);
}

/** Draws until the daemon goes away. */
async function redraw(draw: () => void, ended: Promise<void> | undefined): Promise<void> {
  let running = true;
  ended?.then(
    () => {
      running = false;
    },
    () => {
      running = false;
    },
  );
  while (running) {
    await new Promise((resolve) => setTimeout(resolve, refreshMs));
    draw();
  }
}

interface WatchAll {
  readonly all: boolean;
  readonly add: (id: string) => void;
  readonly remove: (id: string) => void;
}

/** Watches what runs, and what starts and ends later; events are subscribed to first, so that none is missed. */
async function watchAll(session: Session, { all, add, remove }: WatchAll): Promise<{ ended: Promise<void> }> {
  const response = await session.client.send("GET", "/events", {
    query: { filters: filtersQuery(["type=container"]) },
  });
  const containers = await session.client.get<ContainerSummary[]>("/containers/json", { all });
  for (const container of containers) add(container.Id.slice(0, 12));
  return { ended: followEvents(response.body, { all, add, remove }) };
}

async function followEvents(body: AsyncIterable<Buffer>, { all, add, remove }: WatchAll): Promise<void> {
  for await (const value of jsonStream(body)) {
    const { Action: action, Actor: actor } = value as EventMessage;
    const id = actor.ID.slice(0, 12);
    if (action === "start" || (all && action === "create")) add(id);
    if (action === "die" && !all) remove(id);
  }
}

function watch(session: Session, container: string, stream: boolean): Watch {
  const { promise, resolve } = Promise.withResolvers<void>();
  const one: Watch = { container, sample: undefined, error: undefined, first: promise };
  follow(session, one, { stream, resolve })
    .catch((error: unknown) => {
      one.error = error;
    })
    .finally(resolve);
  return one;
}

async function follow(
  session: Session,
  one: Watch,
  options: { stream: boolean; resolve: () => void },
): Promise<void> {
  const query = { stream: options.stream ? "1" : "0" };
  const response = await session.client.send("GET", containerPath(one.container, "/stats"), { query });
  for await (const message of jsonStream(response.body)) {
    one.sample = sampleOf(message as StatsMessage);
    options.resolve();
  }
}

interface Drawing {
  readonly format: string;
  readonly stream: boolean;
  readonly truncate: boolean;
  readonly watches: ReadonlyMap<string, Watch>;
}

function drawRows(out: Output, { format, stream, truncate, watches }: Drawing): void {
  const rows = [...watches.values()].map((one) => statsRow(one.container, one.sample, truncate));
  let text = "";
  writeRows({ ...out, write: (data) => (text += data) }, format, statsLayout, rows);
  if (!stream) {
    out.write(text);
    return;
  }
  // From the top left, each line cleared to its end, what is below cleared too.
  const lines = text.split("\n").map((line) => `${line} \x1b[K\n`);
  out.write(`\x1b[H${lines.join("")}\x1b[J`);
}
