// What a daemon does with its membership, alone in a lab host: told over IPC, as lab-agent.mjs is.

import { connectCluster, type StoreCluster } from "../../../src/cluster/connect.ts";
import { disarmAlarms, parseEndpoints } from "../../../src/cluster/etcd/index.ts";
import { Maintenance } from "../../../src/cluster/gen/rpc_pb.ts";
import { HostMembership, type InitOptions } from "../../../src/cluster/join/host-membership.ts";
import type { JoinOptions } from "../../../src/cluster/join/joining.ts";
import { type Heard, leaveCluster, removeHost } from "../../../src/cluster/join/leaving.ts";
import { Serving } from "../../../src/cluster/join/serving.ts";
import { clusterStatus } from "../../../src/cluster/join/status.ts";
import { parseToken } from "../../../src/cluster/join/token.ts";
import type { TokenOptions } from "../../../src/cluster/join/tokens.ts";
import { memberName, readHostCertificate } from "../../../src/cluster/trust/index.ts";
import { parseAddress } from "../../../src/netip/index.ts";
import type { Log } from "../../../src/util/log.ts";

const [, , folder = "", name = "", etcd] = process.argv;

const line =
  (level: string) =>
  (...words: unknown[]) =>
    void process.stderr.write(`${JSON.stringify([Date.now() % 1e6, level, name, ...words])}\n`);
const log: Log = {
  debug: line("debug"),
  info: line("info"),
  warn: line("warn"),
  error: line("error"),
  child: () => log,
};

let cluster: StoreCluster | undefined;
let serving: Serving | undefined;
let removed: string | undefined;
let aheadMs = 0;
const now = () => new Date(Date.now() + aheadMs);
const options = { folder, name, log, now, ...(etcd && { etcd }) };
const membership = await HostMembership.open(options);

membership.follow((event) => {
  if (event.kind === "removed") removed = event.message;
  else cluster?.use(place());
});

function place() {
  const { endpoints, credentials } = membership.connection ?? {};
  if (!endpoints || !credentials) throw new Error("no cluster");
  const { authority: ca, certificate: cert, key } = credentials;
  return { endpoints: parseEndpoints(endpoints.join(",")), tls: { ca, cert, key, serverName: memberName } };
}

async function connect(): Promise<void> {
  const { cluster: identity, nodeId } = membership;
  const address = parseAddress(identity?.address ?? "");
  if (!identity || !address) return;
  const self = { id: nodeId, name, address, dataPort: 4789, version: "test" };
  // signs of life may be answered two seconds late without a word
  cluster ??= await connectCluster({ ...place(), id: identity.id, self, log, ttlSeconds: 8 });
  serving = await Serving.start({
    membership,
    access: cluster,
    seats: { intervalMs: 1000, patienceMs: 10_000 },
    intervalMs: 1000,
  });
}

function serial(): string | undefined {
  const { credentials } = membership.keys;
  return credentials && readHostCertificate(credentials.certificate).serial;
}

function serve(): Serving {
  if (!serving) throw new Error(membership.trouble ?? "this host is not in touch with a cluster");
  return serving;
}

async function end(keepEtcd: boolean): Promise<void> {
  await serving?.close();
  await cluster?.close();
  serving = undefined;
  cluster = undefined;
  await membership.close({ keepEtcd });
}

const operations: Record<string, (request: never) => Promise<unknown>> = {
  init: async (given: InitOptions) => {
    await membership.init(given);
    await connect();
  },
  join: async (given: JoinOptions) => {
    await membership.join(given);
    await connect();
  },
  leave: async (given: { force?: boolean }) => {
    const farewell: StoreCluster["leave"] = async (change) => await cluster?.leave(change);
    const disconnect = async ({ isHeard }: Heard) =>
      await cluster?.close({ leave: true, isSilent: !isHeard });
    await leaveCluster({ membership, serving, farewell, endUse: async () => undefined, disconnect }, given);
    serving = undefined;
    cluster = undefined;
  },
  remove: async ({ nodeId, force }: { nodeId: string; force?: boolean }) =>
    await removeHost(serve(), nodeId, { ...(force && { force }) }),
  token: async (given: TokenOptions) => await serve().tokens.create(given),
  removeToken: async ({ token }: { token: string }) => await serve().tokens.remove(parseToken(token).id),
  renew: async () => await serve().renewCertificate(),
  status: async () => await clusterStatus(serve()),
  setClock: async (given: { aheadMs: number }) => {
    ({ aheadMs } = given);
    serve().nudge();
  },
  members: async () => await serve().members.list(),
  // as when a member's database has grown to its quota: activate is 1 (AlarmRequest.AlarmAction), NOSPACE is 1
  raiseAlarm: async () => {
    const [member] = await serve().members.list();
    const request = { action: 1, memberID: BigInt(`0x${member?.id ?? 0}`), alarm: 1 };
    await cluster?.client.call(Maintenance.method.alarm, request, { doing: "raise an alarm" });
  },
  disarm: async () => cluster && (await disarmAlarms(cluster.client)),
  put: async ({ key }: { key: string }) => {
    const table = await cluster?.table<string>("things");
    await table?.put(key, key);
  },
  read: async ({ key }: { key: string }) => (await cluster?.table<string>("things"))?.get(key)?.value ?? null,
  state: async () => ({
    nodeId: membership.nodeId,
    cluster: membership.cluster ?? null,
    etcdPid: membership.etcdPid,
    serial: serial() ?? null,
    trouble: membership.trouble ?? null,
    removed: removed ?? null,
    store: cluster?.state ?? null,
    seats: serving
      ? Object.fromEntries(
          [...serving.tables.admissions.entries()].map(({ value }) => [value.name, value.seat]),
        )
      : {},
  }),
  end: async ({ keepEtcd }: { keepEtcd: boolean }) => await end(keepEtcd),
};

process.on("message", ({ call, operation, request }: { call: number; operation: string; request: never }) => {
  (operations[operation]?.(request) ?? Promise.reject(new Error(`no ${operation}`))).then(
    (value) => process.send?.({ call, value: value ?? null }),
    (error) => process.send?.({ call, error: String(error?.message ?? error), kind: error?.kind }),
  );
});
process.on("disconnect", () => process.exit());
process.send?.({ ready: true });
while (membership.cluster && !membership.trouble && !serving)
  await connect().catch((error) => line("error")({ reason: String(error) }, "not connected"));
