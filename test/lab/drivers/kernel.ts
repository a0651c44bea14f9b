// What the kernel of the test machine can make; tests of the rest are skipped with that reason.

import {
  createNetns,
  deleteNetns,
  deleteNetnsFolder,
  hasLinkKind,
  openNetlink,
} from "../../../src/kernel/index.ts";

/** Whether links of a kind cannot be made here. */
export async function lacksLinkKind(kind: string): Promise<boolean> {
  const folder = `/run/tsdocker-kinds-${process.pid}`;
  const path = `${folder}/${kind}`;
  await createNetns(path);
  try {
    await using netlink = await openNetlink(path);
    return !(await hasLinkKind(netlink, kind));
  } finally {
    await deleteNetns(path);
    await deleteNetnsFolder(folder);
  }
}
