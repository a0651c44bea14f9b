// Driver packages: found, imported, held against the contract.

export { findDriverModule } from "./find-module.ts";
export { contractVersion, type LoadedModule, type LoadOptions, loadDriverModule } from "./load-module.ts";
