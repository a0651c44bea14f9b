// GET /events: one JSON document a line, sent the moment it happens.

import type { Engine, EngineEvent } from "../../engine/types.ts";
import { invalid } from "../../util/errors.ts";
import type { Call } from "../call.ts";
import { anyValue, type KnownFilters, readFilters } from "../filters.ts";
import { get, type Route, streamed } from "../route.ts";
import type { EventMessage } from "../schemas/system.ts";
import { type ApiVersion, isBefore } from "../version.ts";

const eventFilters: KnownFilters = Object.fromEntries(
  "config container daemon event image label network node plugin scope secret service type volume"
    .split(" ")
    .map((key) => [key, anyValue]),
);

export const eventsRoute = (engine: Engine): Route =>
  get("/events", async (call) => {
    const now = new Date();
    const sinceNano = call.query.time("since", now);
    const untilNano = call.query.time("until", now);
    if (sinceNano !== undefined && untilNano !== undefined && sinceNano > untilNano)
      throw invalid(
        `\`since\` time (${call.query.text("since")}) cannot be after \`until\` time (${call.query.text("until")})`,
      );
    const events = engine.system.events(
      {
        filters: readFilters(call.query, eventFilters),
        ...(sinceNano !== undefined && { sinceNano }),
        ...(untilNano !== undefined && { untilNano }),
      },
      call.signal,
    );
    await sendEvents(call, events);
    return streamed;
  });

const sequenceType = "application/json-seq";
const recordSeparator = "\x1e";

async function sendEvents(call: Call, events: AsyncIterable<EngineEvent>): Promise<void> {
  const type = contentType(call);
  const stream = call.openStream(type);
  const before = type === sequenceType ? recordSeparator : "";
  for await (const event of events) await stream.write(`${before}${eventLine(event, call.version)}\n`);
  stream.end();
}

function contentType(call: Call): string {
  const accepted = call.header("accept") ?? "";
  for (const type of ["application/jsonl", "application/x-ndjson", sequenceType])
    if (accepted.includes(type)) return type;
  return isBefore(call.version, 52) ? "application/json" : "application/jsonl";
}

/** The event as JSON; timeNano has more digits than a JavaScript number, so it is written as text. */
export function eventLine(event: EngineEvent, version: ApiVersion): string {
  const message: Omit<EventMessage, "timeNano"> = {
    ...(isBefore(version, 52) && legacyFields(event)),
    Type: event.type,
    Action: event.action,
    Actor: { ID: event.actor.id, Attributes: event.actor.attributes },
    scope: event.scope,
    time: Number(event.timeNano / 1_000_000_000n),
  };
  return `${JSON.stringify(message).slice(0, -1)},"timeNano":${event.timeNano}}`;
}

function legacyFields({ type, action, actor }: EngineEvent): Pick<EventMessage, "status" | "id" | "from"> {
  if (type === "container")
    return { status: action, id: actor.id, ...(actor.attributes.image && { from: actor.attributes.image }) };
  return type === "image" ? { status: action, id: actor.id } : {};
}
