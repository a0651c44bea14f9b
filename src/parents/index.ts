// Links of the host that networks stand on.

export { createParents, type ParentsOptions } from "./parents.ts";
export type { Parent, ParentRequest, Parents } from "./types.ts";
