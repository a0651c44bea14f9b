// A process may end while something is asked of it: containerd's answer then says so in words of its own.

import { conflict, errorKind } from "../util/errors.ts";

/** A container's first process, or an exec's. */
export interface Mortal {
  /** Settles when it has ended. */
  wait(): Promise<unknown>;
}

/** How long the news of an end may be on its way when a call has met it. */
const newsMs = 2_000;

export const notRunning = ({ id }: { readonly id: string }) => conflict(`container ${id} is not running`);

/** What is asked of a process. @throws `refusal` when it has ended meanwhile */
export async function unlessEnded<T>(process: Mortal, asked: Promise<T>, refusal: Error): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw (await hasEnded(process, error)) ? refusal : error;
  }
}

/** Whether a call to a process failed because that has ended. A client's mistake is told without delay. */
export async function hasEnded(process: Mortal, failure: unknown): Promise<boolean> {
  return (
    errorKind(failure) === "not-found" || endsWithin(process, errorKind(failure) === "invalid" ? 0 : newsMs)
  );
}

export async function endsWithin(process: Mortal, ms: number): Promise<boolean> {
  const ended = process.wait().then(
    () => true,
    () => true,
  );
  if (ms === Number.POSITIVE_INFINITY) return ended;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const isEnded = await Promise.race([ended, late]);
  clearTimeout(timer);
  return isEnded;
}
