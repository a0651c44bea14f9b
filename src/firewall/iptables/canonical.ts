// One form for what we write and what iptables-save shows of it: `-p tcp --dport 80` comes back as
// `-p tcp -m tcp --dport 80`, `-s 192.0.2.1` as `-s 192.0.2.1/32`, and options come in another order.

/** A text that two rules share when they mean the same; only to compare by. */
export function canonicalRule(rule: string): string {
  return optionsOf(rule.match(/"(?:\\.|[^"\\])*"|\S+/g) ?? [])
    .filter((option) => !option.startsWith("-m "))
    .map((option) => option.replace(/^((?:! )?-[sd] \S+?)\/(?:32|128)$/, "$1"))
    .toSorted()
    .join(" ");
}

/** Each option with its values, and the `!` before it. */
function optionsOf(words: readonly string[]): string[] {
  const options: string[] = [];
  let isNegated = false;
  for (const word of words) {
    if (word === "!") isNegated = true;
    else if (word.startsWith("-") || options.length === 0) {
      options.push(isNegated ? `! ${word}` : word);
      isNegated = false;
    } else options.push(`${options.pop() ?? ""} ${isNegated ? "! " : ""}${word}`);
  }
  return options;
}
