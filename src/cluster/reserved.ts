// Tables that the cluster keeps itself.

/** Every host on record, by id. */
export const nodesTable = "nodes";

/** Hosts whose lease lives, by id: these records go with the lease. */
export const aliveTable = "alive";
