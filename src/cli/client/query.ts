// Query strings as Docker's client writes them.

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** `?a=b&a=c`; undefined and empty values are left out. */
export function queryText(query: Query): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const values = Array.isArray(value) ? value : [value];
    for (const one of values) {
      if (one !== undefined && one !== "" && one !== false)
        parts.push(`${name}=${encodeURIComponent(queryValue(one))}`);
    }
  }
  return parts.length > 0 ? `?${parts.join("&")}` : "";
}

function queryValue(value: string | number | boolean): string {
  return value === true ? "1" : String(value);
}
