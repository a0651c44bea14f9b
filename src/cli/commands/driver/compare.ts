// An answer beside the one that was recorded.

import { type Call, isObject, type Json, refusalOf } from "./conversation.ts";
import { type Mapping, mayDiffer } from "./mapping.ts";

/** What is another than it was, a line each; what a driver may choose goes into the mapping instead. */
export function differences(
  recorded: Pick<Call, "status" | "response">,
  now: Pick<Call, "status" | "response">,
  mapping: Mapping,
): string[] {
  const [before, after] = [refusalOf(recorded), refusalOf(now)];
  if (before !== undefined && after !== undefined) return [];
  if (before !== undefined) return [`was refused (${before}), and succeeds`];
  if (after !== undefined) return [`succeeded, and is refused: ${after}`];
  return compare("", recorded.response, now.response, mapping);
}

function compare(
  path: string,
  recorded: Json | undefined,
  now: Json | undefined,
  mapping: Mapping,
): string[] {
  if (isNothing(recorded) && isNothing(now)) return [];
  if (isObject(recorded) && (isObject(now) || isNothing(now)))
    return compareObjects(path, recorded, now, mapping);
  if (isObject(now) && isNothing(recorded)) return compareObjects(path, {}, now, mapping);
  if (Array.isArray(recorded) && Array.isArray(now)) {
    const length = Math.max(recorded.length, now.length);
    return Array.from({ length }, (_, at) =>
      compare(`${path}[${at}]`, recorded[at], now[at], mapping),
    ).flat();
  }
  if (typeof recorded === "string" && typeof now === "string")
    return compareTexts(path, recorded, now, mapping);
  return recorded === now ? [] : [`${path}: was ${show(recorded)}, is ${show(now)}`];
}

/** Keys in any case; what is empty is as good as absent. */
function compareObjects(
  path: string,
  recorded: Readonly<Record<string, Json>>,
  now: Readonly<Record<string, Json>> | null | undefined | string | boolean | number | readonly Json[],
  mapping: Mapping,
): string[] {
  const lower = (value: Readonly<Record<string, Json>>) =>
    new Map(Object.entries(value).map(([key, each]) => [key.toLowerCase(), { key, each }]));
  const [before, after] = [
    lower(recorded),
    lower(isObject(now as Json) ? (now as Record<string, Json>) : {}),
  ];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const name = before.get(key)?.key ?? after.get(key)?.key ?? key;
    const under = path === "" ? name : `${path}.${name}`;
    return compare(under, before.get(key)?.each, after.get(key)?.each, mapping);
  });
}

function compareTexts(path: string, recorded: string, now: string, mapping: Mapping): string[] {
  const expected = mapping.apply(recorded);
  if (expected === now) return [];
  if (mapping.has(recorded)) return [`${path}: was ${recorded}, which is ${expected} here, and is ${now}`];
  const key = path.slice(path.lastIndexOf(".") + 1);
  if (!mayDiffer(key, recorded, now)) return [`${path}: was ${show(recorded)}, is ${show(now)}`];
  mapping.set(recorded, now);
  return [];
}

function isNothing(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function show(value: Json | undefined): string {
  return isNothing(value) ? "nothing" : JSON.stringify(value);
}
