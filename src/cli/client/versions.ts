// API versions: the newest we speak, the oldest we accept, and their order.

export const maxApiVersion = "1.50";
export const minApiVersion = "1.24";

/** Below, at, or above zero as a is older than, equal to, or newer than b. */
export function compareVersions(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}
