// What is on a machine, before and after.

import { type Remains, remainKinds } from "./stage.ts";

/** In words: `link x1 is left`, `route y is gone`. */
export function differences(before: Remains, after: Remains): string[] {
  return remainKinds.flatMap((kind) => [
    ...minus(after[kind], before[kind]).map((item) => `${kind}: ${item} is there`),
    // rules of the host for good come again with the first network after a restart
    ...(kind === "rules" ? [] : minus(before[kind], after[kind])).map((item) => `${kind}: ${item} is gone`),
  ]);
}

/** As often as it is in one and not in the other. */
function minus(from: readonly string[], items: readonly string[]): string[] {
  const left = [...items];
  return from.filter((item) => {
    const at = left.indexOf(item);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
