// Records as text: JSON, with big integers and dates marked so that they come back as what they were.

/** @throws TypeError for what JSON cannot hold (functions, circles) */
export function encodeRecord(record: unknown): string {
  return JSON.stringify(record, function (this: Record<string, unknown>, key: string, value: unknown) {
    const raw = this[key];
    if (raw instanceof Date) return { $date: raw.getTime() };
    return typeof value === "bigint" ? { $bigint: value.toString(16) } : value;
  });
}

/** @throws SyntaxError for what is not JSON */
export function decodeRecord(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    if ("$bigint" in value) return BigInt(`0x${String(value.$bigint)}`);
    if ("$date" in value) return new Date(Number(value.$date));
    return value;
  });
}
