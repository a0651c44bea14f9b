import assert from "node:assert/strict";
import { test } from "node:test";
import { formatPrefix, parseAddress, parsePrefix } from "tsdocker/driverkit";
import { createIpam } from "./index.ts";

const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  assert.ok(parsed);
  return parsed;
};
const asking = { addressSpace: "__name__", family: 4, options: {}, exclude: [] } as const;
const start = () => createIpam({ defaultPools: [] });

test("addresses of a pool are handed out once, and again when they were given back", async () => {
  const ipam = start();
  const { poolId } = await ipam.requestPool({ ...asking, pool: prefix("192.0.2.0/30") });
  const request = { poolId, purpose: "endpoint" } as const;
  const first = await ipam.requestAddress(request);
  assert.equal(formatPrefix(first), "192.0.2.1/30");
  await ipam.requestAddress(request);
  await assert.rejects(ipam.requestAddress(request), { kind: "unavailable" });
  await ipam.releaseAddress(poolId, first.address);
  assert.deepEqual(await ipam.requestAddress(request), first);
});

test("a named address is had by one, and not when it is the subnet's own", async () => {
  const ipam = start();
  const { poolId } = await ipam.requestPool({ ...asking, pool: prefix("192.0.2.0/24") });
  const named = (text: string) => {
    const address = parseAddress(text);
    assert.ok(address);
    return ipam.requestAddress({ poolId, purpose: "endpoint", address });
  };
  await named("192.0.2.7");
  await assert.rejects(named("192.0.2.7"), { kind: "forbidden" });
  await assert.rejects(named("192.0.2.0"), { kind: "invalid" });
  await assert.rejects(named("198.51.100.7"), { kind: "invalid" });
});

test("pools do not overlap, and one that nobody names is free", async () => {
  const ipam = start();
  const { pool } = await ipam.requestPool({ ...asking, exclude: [prefix("10.200.0.0/24")] });
  assert.equal(formatPrefix(pool), "10.200.1.0/24");
  await assert.rejects(ipam.requestPool({ ...asking, pool: prefix("10.200.0.0/16") }), { kind: "forbidden" });
});

test("what is on record is leased again", async () => {
  const ipam = start();
  const pool = prefix("192.0.2.0/24");
  const { poolId } = await ipam.requestPool({ ...asking, pool, onRecord: "192.0.2.0/24" });
  const { address } = prefix("192.0.2.9/24");
  await ipam.requestAddress({ poolId, purpose: "endpoint", address, onRecord: true });
  await assert.rejects(ipam.requestAddress({ poolId, purpose: "endpoint", address }), { kind: "forbidden" });
});
