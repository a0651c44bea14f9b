// Which effects have a failpoint: everything by which a request changes the store, the kernel, the proxy or containerd.

import type { Netns, NetnsMaker } from "../cnm/index.ts";
import type { Containerd } from "../runtime/index.ts";
import type { Store } from "../store/index.ts";
import type { Failpoints } from "./failpoints.ts";

/** The store with a failpoint before each transaction. */
export function guardStore(failpoints: Failpoints, store: Store): Store {
  if (!failpoints.isOn) return store;
  const guarded = failpoints.guard("store", store, ["commit"]);
  return replacing(guarded, {
    collection: (name) => failpoints.guard(`store.${name}`, store.collection(name), ["put", "delete"]),
  });
}

/** Namespaces with a failpoint before each is made, changed or removed. */
export function guardNetns(failpoints: Failpoints, maker: NetnsMaker): NetnsMaker {
  if (!failpoints.isOn) return maker;
  const guarded = failpoints.guard("netns", maker, ["create", "removePin"]);
  const opened = (netns: Netns): Netns =>
    replacing(
      failpoints.guard("sandbox", netns, ["writeSysctls", "setDnsRedirect", "setBalance", "remove"]),
      {
        netlink: failpoints.guard("sandbox.netlink", netns.netlink, ["send"]),
      },
    );
  return replacing(guarded, {
    create: async (path) => opened(await guarded.create(path)),
    open: async (path) => opened(await guarded.open(path)),
  });
}

/** containerd with a failpoint before each call that changes a container, its task or its snapshot. */
export function guardContainerd(failpoints: Failpoints, containerd: Containerd): Containerd {
  const { services, snapshots } = containerd;
  return {
    ...containerd,
    snapshots: failpoints.guard("containerd.snapshots", snapshots, ["prepare", "remove"]),
    services: {
      ...services,
      containers: failpoints.guard("containerd.containers", services.containers, ["create", "delete"]),
      tasks: failpoints.guard("containerd.tasks", services.tasks, ["create", "start", "kill", "delete"]),
    },
  };
}

/** The same object, but for these members. */
function replacing<T extends object>(part: T, members: Partial<T>): T {
  return new Proxy(part, {
    get: (target, key) => Reflect.get(Reflect.has(members, key) ? members : target, key),
  });
}
