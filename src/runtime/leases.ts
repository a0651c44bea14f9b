// Leases: what is made under one is kept from the garbage collector until the lease goes or expires.

import { Leases as LeasesService, type Lease as WireLease } from "./gen/leases_pb.ts";
import type { Channel } from "./grpc.ts";
import { orAbsent } from "./grpc-error.ts";
import { type Labels, toDate } from "./values.ts";

export interface Lease {
  readonly id: string;
  readonly createdAt: Date;
  readonly labels: Labels;
}

/** What a lease holds: `type` is `content`, `ingests` or `snapshots/<snapshotter>`. */
export interface LeasedResource {
  readonly id: string;
  readonly type: string;
}

export interface Leases {
  /** A new lease; with `expiresInMs` it ends by itself, so that a crash leaves nothing for ever. */
  create(id: string, options?: { readonly labels?: Labels; readonly expiresInMs?: number }): Promise<Lease>;
  /** Ends a lease; one that is gone is success. `sync` waits for the garbage collection that follows. */
  delete(id: string, options?: { readonly sync?: boolean }): Promise<void>;
  list(filters?: readonly string[]): Promise<readonly Lease[]>;
  addResource(id: string, resource: LeasedResource): Promise<void>;
  deleteResource(id: string, resource: LeasedResource): Promise<void>;
  resources(id: string): Promise<readonly LeasedResource[]>;
}

// Read by containerd's garbage collector (RFC 3339).
const expiryLabel = "containerd.io/gc.expire";

/** The leases of one namespace. */
export function leasesClient(channel: Channel, headers: Readonly<Record<string, string>>): Leases {
  const api = channel.service(LeasesService, headers);
  return {
    async create(id, options = {}) {
      const labels: Record<string, string> = { ...options.labels };
      if (options.expiresInMs !== undefined)
        labels[expiryLabel] = new Date(Date.now() + options.expiresInMs).toISOString();
      return toLease((await api.create({ id, labels })).lease);
    },
    async delete(id, options = {}) {
      await orAbsent(api.delete({ id, sync: options.sync ?? false }));
    },
    async list(filters = []) {
      return (await api.list({ filters: [...filters] })).leases.map(toLease);
    },
    async addResource(id, resource) {
      await api.addResource({ id, resource });
    },
    async deleteResource(id, resource) {
      await orAbsent(api.deleteResource({ id, resource }));
    },
    async resources(id) {
      return (await api.listResources({ id })).resources.map(({ id, type }) => ({ id, type }));
    },
  };
}

function toLease(lease: WireLease | undefined): Lease {
  return { id: lease?.id ?? "", createdAt: toDate(lease?.createdAt), labels: lease?.labels ?? {} };
}
