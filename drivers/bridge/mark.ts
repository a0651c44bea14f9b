// How our devices are told from others: by an alias.

const mark = "tsdocker:";

/** Names the network, or the endpoint on a veth. */
export function markOf(id: string): string {
  return mark + id;
}

/** Of a bridge that is empty and about to be deleted. */
export const deletedMark = markOf("deleted");

/** The id that a link is marked with, if it is ours. */
export function markedId(alias: string | undefined): string | undefined {
  return alias?.startsWith(mark) ? alias.slice(mark.length) : undefined;
}
