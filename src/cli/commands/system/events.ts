// events.

import { errorMessage } from "../../../util/errors.ts";
import { jsonStream } from "../../client/json.ts";
import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, noArgs } from "../../command.ts";
import { StatusError } from "../../errors.ts";
import { parseDuration } from "../../flags/numbers.ts";
import { filter, streamFormatFlag, text } from "../../flags/spec.ts";
import { apiTime, rfc3339Nano } from "../../format/time.ts";
import { encodeJson } from "../../template/encode.ts";
import { parseTemplate, type Template } from "../../template/template.ts";
import { asMap, goType } from "../../template/values.ts";
import type { EventMessage } from "../../wire.ts";

export const events: CommandSpec = {
  usage: "[OPTIONS]",
  aliases: ["tsdocker system events", "tsdocker events"],
  args: noArgs,
  flags: [
    text("since", "Show all events created since timestamp"),
    text("until", "Stream events until this timestamp"),
    filter("filter", "Filter output based on conditions provided", { short: "f", check: checkFilter }),
    streamFormatFlag,
  ],
  run: runEvents,
};

async function runEvents({ session, flags }: Invocation): Promise<void> {
  const template = parseFormat(flags.string("format"));
  const response = await session.client.send("GET", "/events", {
    query: {
      since: apiTime(flags.string("since"), parseDuration),
      until: apiTime(flags.string("until"), parseDuration),
      filters: filtersQuery(flags.list("filter")),
    },
  });
  for await (const value of jsonStream(response.body)) {
    const event = value as EventMessage;
    session.out.line(template ? template.run(forTemplate(event)) : eventLine(event));
  }
}

/** Tried on an empty event: a template with an unknown field is refused before anything is shown. */
function parseFormat(format: string): Template | undefined {
  if (format === "") return undefined;
  try {
    const template = parseTemplate(format === "json" ? "{{json .}}" : format);
    template.run(forTemplate({ Type: "", Action: "", Actor: { ID: "", Attributes: {} } }));
    return template;
  } catch (error) {
    throw new StatusError(64, `Error parsing format: ${errorMessage(error)}`);
  }
}

/** Go's event: field names in upper case for templates, the wire's for JSON. */
function forTemplate(event: EventMessage): object {
  const attributes = asMap({ ...event.Actor.Attributes });
  const actor = named({ ...event.Actor, Attributes: attributes }, "events.Actor");
  const { time = 0, timeNano = 0, ...rest } = event;
  const full = {
    Status: "",
    ID: "",
    From: "",
    Scope: "",
    ...upperCased(rest),
    Actor: actor,
    Time: time,
    TimeNano: timeNano,
  };
  Object.defineProperty(full, "toGoJson", {
    value: () =>
      encodeJson({ ...event, Actor: { ...event.Actor, Attributes: attributes } }, { escapeHtml: false }),
  });
  return named(full, "*events.Message");
}

function upperCased(event: object): Record<string, unknown> {
  const names: Readonly<Record<string, string>> = {
    status: "Status",
    id: "ID",
    from: "From",
    scope: "Scope",
  };
  return Object.fromEntries(Object.entries(event).map(([key, value]) => [names[key] ?? key, value]));
}

function named<T extends object>(value: T, type: string): T {
  return Object.defineProperty(value, goType, { value: type });
}

/** `time type action id (k=v, …)`. */
export function eventLine(event: EventMessage): string {
  const nanos = event.timeNano ? BigInt(event.timeNano) : BigInt(event.time ?? 0) * 1_000_000_000n;
  const when = nanos === 0n ? "" : `${rfc3339Nano(nanos)} `;
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  const tail = attributes.length > 0 ? ` (${attributes.join(", ")})` : "";
  return `${when}${event.Type} ${event.Action} ${event.Actor.ID}${tail}`;
}
