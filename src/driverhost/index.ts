// The hands that a driver is lent, over any network namespace: the machine's, a lab host's, one that was made for a trial.

export { createDriverHost, type DriverHostParts } from "./host.ts";
export { createDriverNamespaces, type DriverNamespacesOptions, type OwnedNamespaces } from "./namespaces.ts";
export { createPrograms, type ProgramsOptions } from "./programs.ts";
