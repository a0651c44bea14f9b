// The differences between two answers, one text each.

type Lines = ReadonlyMap<string, string>;

/** `what: dockerd <value> | ours <value>` for every line that differs. */
export function differences(dockerd: Lines, ours: Lines): string[] {
  const keys = [...new Set([...dockerd.keys(), ...ours.keys()])].filter(comparable(dockerd, ours));
  return keys.flatMap((key) => {
    const [theirs, own] = [dockerd.get(key), ours.get(key)];
    if (theirs === own) return [];
    return [`${key}: dockerd ${theirs ?? "nothing"} | ours ${own ?? "nothing"}`];
  });
}

/** Where one succeeds and the other does not, what the one answers with is nobody's difference. */
function comparable(dockerd: Lines, ours: Lines): (key: string) => boolean {
  if (isError(dockerd.get("status")) === isError(ours.get("status"))) return () => true;
  return (key) => key === "status" || key === "message" || key === "body";
}

/** True for a status that says that nothing was done, and for none at all. */
export function isError(status: string | undefined): boolean {
  return status === undefined || !/^[123]/.test(status);
}
