// Clean-ups: what a test that failed leaves must not spoil the next one, nor its own second try.

/** Takes every step in turn, also behind one that fails. @throws what the first of those threw */
export async function everyStep(...steps: readonly (() => PromiseLike<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
