// Names of network interfaces.

/** What Linux takes as one: `dev_valid_name` in net/core/dev.c, and IFNAMSIZ with its closing zero. */
export function isLinkName(text: string): boolean {
  return /^[^\s/:]{1,15}$/.test(text) && text !== "." && text !== "..";
}
