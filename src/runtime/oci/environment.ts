// A process's environment: defaults first, then the container's own variables in their places.

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Docker's defaults (PATH, HOSTNAME, TERM with a terminal) under the container's variables. HOME is runc's to set. */
export function containerEnvironment(
  own: readonly string[],
  facts: { readonly hostname: string; readonly terminal: boolean },
): readonly string[] {
  const defaults = [defaultPath, `HOSTNAME=${facts.hostname}`, ...(facts.terminal ? ["TERM=xterm"] : [])];
  return replaceVariables(defaults, own);
}

/** `changes` over `base`, each in the place of the variable it replaces; a `NAME` without a value takes it away. */
export function replaceVariables(base: readonly string[], changes: readonly string[]): readonly string[] {
  const variables = new Map(base.map((variable) => [nameOf(variable), variable]));
  for (const variable of changes) {
    if (variable.includes("=")) variables.set(nameOf(variable), variable);
    else variables.delete(variable);
  }
  return [...variables.values()];
}

const nameOf = (variable: string) => variable.split("=", 1)[0] ?? variable;
