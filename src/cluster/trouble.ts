// Why the store is away, when each of its members has failed in its own way: one sentence for people.

/** Members that failed alike are named together; what was tried is left out, since it is the same for all: the store. */
export function sumUpTroubles(messages: Iterable<string>): string {
  const membersOf = new Map<string, string[]>();
  for (const message of new Set(messages)) {
    const { reason, member } = partsOf(message);
    membersOf.set(reason, [...(membersOf.get(reason) ?? []), ...(member === undefined ? [] : [member])]);
  }
  return [...membersOf]
    .map(([reason, members]) => (members.length === 0 ? reason : `${reason} (etcd at ${members.join(", ")})`))
    .join("; ");
}

/** `what was tried: why (etcd at member)`; a system's reason names the member's address too. */
function partsOf(message: string): { readonly reason: string; readonly member?: string } {
  const [, words, member] = /^(.*) \(etcd at ([^()]+)\)$/s.exec(message) ?? [];
  if (words === undefined || member === undefined) return { reason: message };
  const reason = words.replace(/^(keep this host's lease in|follow|reach) the store(?:'s records)?: /, "");
  return { reason: reason.replace(` ${member}`, ""), member };
}
