// Work that runs side by side.

/** Waits for all even when one fails, so that what undoes them finds everything at rest; throws the first reason. */
export async function allDone(work: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
