// What a call says when its time is over.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { type Endpoint, EtcdClient, readHead } from "../../../../src/cluster/etcd/index.ts";

/** A member that answers the first so many reads with this error, and then none any more. */
async function member(answers: number, details: string): Promise<Endpoint> {
  const folder = await mkdtemp(join(tmpdir(), "etcd-client-"));
  const server = new Server();
  onTestFinished(async () => {
    server.forceShutdown();
    await rm(folder, { recursive: true });
  });
  const asIs = (bytes: Buffer) => bytes;
  const range = {
    path: "/etcdserverpb.KV/Range",
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  } as const;
  let asked = 0;
  server.addService(
    { range },
    {
      range: (_: unknown, answer: (error: object) => void) =>
        ++asked <= answers && answer({ code: status.UNAVAILABLE, details }),
    },
  );
  const target = `unix:${join(folder, "m0")}`;
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(target, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  );
  return { name: "m0:2379", host: "m0", target, isSecure: undefined };
}

test("a read that is tried until its time is over says what the member said, not that its last try was too short", async () => {
  const endpoint = await member(2, "etcdserver: no leader");
  using store = new EtcdClient({ endpoints: [endpoint] });
  await expect(readHead(store, "/", { doing: "look", timeoutMs: 3_000 })).rejects.toMatchObject({
    kind: "unavailable",
    message: "look: the store's members have no leader (etcd at m0:2379)",
  });
});

test("one that is never answered says so", async () => {
  using store = new EtcdClient({ endpoints: [await member(0, "")] });
  await expect(readHead(store, "/", { doing: "look", timeoutMs: 300 })).rejects.toThrow(
    /^look: no (answer in time|connection within \d+ ms) \(etcd at m0:2379\)$/,
  );
});
