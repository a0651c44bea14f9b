// Chance that can be had again: the same seed gives the same numbers.

export interface Random {
  /** 0 ≤ n < `below`. */
  below(below: number): number;
  pick<T>(items: readonly [T, ...T[]]): T;
  text(length: number, alphabet?: string): string;
}

const letters = "abcdefghijklmnopqrstuvwxyz0123456789";

/** mulberry32, by Tommy Ettinger: 32 bits of state are plenty for choosing test input. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number) => Math.floor((next() / 2 ** 32) * limit);
  return {
    below,
    pick: (items) => items[below(items.length)] ?? items[0],
    text: (length, alphabet = letters) =>
      Array.from({ length }, () => alphabet[below(alphabet.length)] ?? "").join(""),
  };
}
