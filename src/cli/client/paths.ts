// Paths of the API with names from the command line in them.

/** A name as part of a path; slashes of image names stay. Throws when the name is empty. */
function idPath(kind: string, id: string): string {
  const name = id.trim();
  if (name === "") throw new Error(`invalid ${kind} name or ID: value is empty`);
  return encodeURI(name).replace(/[?#]/g, encodeURIComponent);
}

/** The path of one object; `tail` is what follows the name. Throws as `idPath` does. */
export const containerPath = (id: string, tail = "") => `/containers/${idPath("container", id)}${tail}`;
export const networkPath = (id: string, tail = "") => `/networks/${idPath("network", id)}${tail}`;
export const servicePath = (network: string, name: string, tail = "") =>
  networkPath(network, `/services/${idPath("service", name)}${tail}`);
export const volumePath = (id: string) => `/volumes/${idPath("volume", id)}`;
export const pluginPath = (id: string, tail = "") => `/plugins/${idPath("plugin", id)}${tail}`;
export const clusterNodePath = (id: string) => `/cluster/nodes/${idPath("node", id)}`;
export const imagePath = (id: string, tail = "") => `/images/${idPath("image", id)}${tail}`;

/** `--filter name=value` occurrences as the API's JSON; undefined when there is none. */
export function filtersQuery(filters: readonly string[]): string | undefined {
  const byName: Record<string, Record<string, boolean>> = {};
  for (const filter of filters.toSorted()) {
    const equals = filter.indexOf("=");
    const name = filter.slice(0, equals);
    byName[name] = { ...byName[name], [filter.slice(equals + 1)]: true };
  }
  return Object.keys(byName).length === 0 ? undefined : JSON.stringify(byName);
}

/** Checks and normalises one `--filter`. */
export function checkFilter(text: string): string {
  const equals = text.indexOf("=");
  if (equals < 0) throw new Error("bad format of filter (expected name=value)");
  return `${text.slice(0, equals).trim().toLowerCase()}=${text.slice(equals + 1).trim()}`;
}
