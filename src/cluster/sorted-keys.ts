// Keys in order: a sorted array, sorted again only when somebody looks after additions at its end.

/** A set of ASCII keys. Reading is by binary search; many additions in a row cost one sort. */
export class SortedKeys {
  #keys: string[] = [];
  #added: string[] = [];

  /** A key that is not there yet. */
  add(key: string): void {
    this.#added.push(key);
  }

  delete(key: string): void {
    this.#merge();
    const at = this.#find(key);
    if (this.#keys[at] === key) this.#keys.splice(at, 1);
  }

  startingWith(prefix: string): string[] {
    this.#merge();
    if (prefix === "") return [...this.#keys];
    const start = this.#find(prefix);
    let end = start;
    while (this.#keys[end]?.startsWith(prefix)) end++;
    return this.#keys.slice(start, end);
  }

  #merge(): void {
    if (this.#added.length > 16) {
      this.#keys.push(...this.#added);
      this.#keys.sort(compare);
    } else for (const key of this.#added) this.#keys.splice(this.#find(key), 0, key);
    this.#added = [];
  }

  /** Where the first key is that is not less. */
  #find(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
