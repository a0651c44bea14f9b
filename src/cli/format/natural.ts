// Natural order: numbers inside names by value, so that net2 comes before net10.

/** Below, at, or above zero. */
export function compareNatural(a: string, b: string): number {
  const aParts = a.match(/\d+|\D+/g) ?? [];
  const bParts = b.match(/\d+|\D+/g) ?? [];
  for (let at = 0; at < Math.min(aParts.length, bParts.length); at++) {
    const order = comparePart(aParts[at] ?? "", bParts[at] ?? "");
    if (order !== 0) return order;
  }
  return aParts.length - bParts.length;
}

function comparePart(a: string, b: string): number {
  if (/^\d/.test(a) && /^\d/.test(b)) {
    const byValue = Number(a) - Number(b);
    if (byValue !== 0) return byValue;
    return a.length - b.length;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}
