// Whether the kernel lets us see frames between two ports of one bridge, which plain forwarding rules never do.

import { addTable, deleteTable, type Nftables, type Table } from "../../kernel/nftables/index.ts";
import { hasCode, notImplemented } from "../../util/errors.ts";

const probe: Table = { family: "bridge", name: "tsdocker-probe" };

/** Tries a table of nftables' bridge family (CONFIG_NF_TABLES_BRIDGE) in a transaction that takes it away again. */
export async function hasBridgeFamily(nftables: Nftables): Promise<boolean> {
  try {
    await nftables.commit([addTable(probe), deleteTable(probe)]);
    return true;
  } catch (error) {
    if (hasCode(error, "EOPNOTSUPP", "ENOENT", "EAFNOSUPPORT")) return false;
    throw error;
  }
}

/** Why a container's port cannot be guarded. */
export function withoutGuards() {
  return notImplemented(
    "keep a container from claiming what others have: this needs nftables for bridges (CONFIG_NF_TABLES_BRIDGE) in the kernel, or a network with tsdocker.antispoof=off",
  );
}
