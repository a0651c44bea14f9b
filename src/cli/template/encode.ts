// JSON as Go's encoding/json writes it: what {{json .}} prints.

import { isMap } from "./values.ts";

export interface EncodeOptions {
  /** Writes < > & as \u003c …, as Go's json.Marshal does. */
  readonly escapeHtml: boolean;
}

/** Go's encoding of a value: a struct's fields in their order, a map's sorted. */
export function encodeJson(value: unknown, options: EncodeOptions): string {
  const text = encode(value);
  return options.escapeHtml ? text.replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`) : text;
}

function encode(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string") return encodeString(value);
  if (typeof value !== "object") return JSON.stringify(value) ?? "null";
  if ("toGoJson" in value && typeof value.toGoJson === "function") return String(value.toGoJson());
  if (Array.isArray(value)) return `[${value.map(encode).join(",")}]`;
  const fields = Object.entries(value).filter(
    ([, field]) => field !== undefined && typeof field !== "function",
  );
  if (isMap(value)) fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${encodeString(key)}:${encode(field)}`).join(",")}}`;
}

function encodeString(text: string): string {
  return JSON.stringify(text).replace(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
}
