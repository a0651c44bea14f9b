// Ranges, what they cost in descriptors, and reservations that outlive whoever made them.

import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bindSocket, closeFd, type ParkedSockets, sliceParked } from "../../../src/kernel/index.ts";
import { createPorts, type PortLease, type PortRequest } from "../../../src/ports/index.ts";
import { address, type Host, Lab } from "../../conformance/firewall/lab.ts";

let lab: Lab;
let host: Host;
let open: PortLease[];
beforeEach(async () => {
  lab = new Lab();
  host = await lab.host("host");
  open = [];
});
afterEach(async () => {
  for (const lease of open) lease.release();
  await lab[Symbol.asyncDispose]();
});

const range = (first: number, last: number, more: Partial<PortRequest> = {}): PortRequest => ({
  protocol: "udp",
  addresses: [address("0.0.0.0"), address("::")],
  range: { first, last },
  whole: true,
  ...more,
});

async function reserve(ports: ReturnType<typeof createPorts>, request: PortRequest): Promise<PortLease> {
  const [lease] = await ports.reserve([request]);
  if (!lease) throw new Error("no lease");
  open.push(lease);
  return lease;
}

/** Whether another process can have the port. */
async function isFree(port: number, protocol: "tcp" | "udp" = "udp"): Promise<boolean> {
  const spec = { netns: host.netns, protocol, address: address("0.0.0.0"), port };
  const fd = await bindSocket(spec).catch(() => undefined);
  if (fd !== undefined) closeFd(fd);
  return fd !== undefined;
}

async function openFiles(): Promise<number> {
  return (await readdir("/proc/self/fd")).length;
}

/** What the proxy has while there is no daemon: descriptors of its own on the same batches. */
const copies = (lease: PortLease): ParkedSockets[] =>
  lease.parked.map((batch) => sliceParked(batch, batch.ports));

test("ten thousand ports on both families are taken for others and cost 80 descriptors", async () => {
  const before = await openFiles();
  const lease = await reserve(createPorts({ netns: host.netns }), range(20_000, 29_999));
  expect((await openFiles()) - before).toBeLessThanOrEqual(82);
  expect([await isFree(20_000), await isFree(24_321), await isFree(29_999)]).toEqual([false, false, false]);
  expect(await isFree(30_000)).toBe(true);
  lease.release();
  expect(await openFiles()).toBeLessThanOrEqual(before + 2);
  expect([await isFree(20_000), await isFree(29_999)]).toEqual([true, true]);
});

test("more sockets are reserved than a process may have open files", async () => {
  const ports = createPorts({ netns: host.netns });
  for (const protocol of ["tcp", "udp"] as const) await reserve(ports, range(10_000, 29_999, { protocol }));
  expect([await isFree(29_999, "tcp"), await isFree(29_999, "udp")]).toEqual([false, false]);
});

test("sockets that are kept in flight leave root in a container room to pass his own", async () => {
  await reserve(createPorts({ netns: host.netns }), range(20_000, 29_999));
  const program = `
import array, os, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
a, b = socket.socketpair()
a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
print("sent")`;
  const capabilities = "setpriv --bounding-set -sys_admin,-sys_resource --inh-caps -all";
  expect(await host.run(`${capabilities} python3 -c '${program}'`)).toBe("sent\n");
});

test("a range in which one port is taken is refused as a whole, by that port", async () => {
  await host.serve(20_500);
  await expect(reserve(createPorts({ netns: host.netns }), range(20_000, 20_999))).rejects.toThrow(
    "failed to bind host port 0.0.0.0:20500/udp: address already in use",
  );
  expect([await isFree(20_000), await isFree(20_999)]).toEqual([true, true]);
});

test("a range that meets a lease is refused by the port that both want", async () => {
  const ports = createPorts({ netns: host.netns });
  await reserve(ports, range(20_000, 20_099));
  await expect(reserve(ports, range(20_050, 20_149))).rejects.toThrow(
    "Bind for 0.0.0.0:20050 failed: port is already allocated",
  );
});

test("part of a lease may be given back, and only that is free", async () => {
  const ports = createPorts({ netns: host.netns });
  const lease = await reserve(ports, range(20_000, 20_299));
  lease.release({ first: 20_120, last: 20_130 });
  lease.release({ first: 20_120, last: 20_130 });
  expect([await isFree(20_119), await isFree(20_120), await isFree(20_130), await isFree(20_131)]).toEqual([
    false,
    true,
    true,
    false,
  ]);
  await reserve(ports, range(20_125, 20_125));
});

test("the next daemon takes over what was held, in any shape, and the ports are never free", async () => {
  const first = createPorts({ netns: host.netns });
  const lease = await reserve(first, range(20_000, 20_299));
  const held = copies(lease);
  lease.release(); // the daemon dies
  expect(await isFree(20_150)).toBe(false);
  const second = createPorts({ netns: host.netns, held });
  const left = await reserve(second, range(20_000, 20_149));
  await reserve(second, range(20_200, 20_310)); // part of it held, part of it new
  second.sweep();
  expect([await isFree(20_000), await isFree(20_149), await isFree(20_200), await isFree(20_310)]).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect([await isFree(20_150), await isFree(20_199)]).toEqual([true, true]);
  left.release();
  expect([await isFree(20_000), await isFree(20_149)]).toEqual([true, true]);
});

test("what was held for other addresses or another protocol is not mistaken", async () => {
  const lease = await reserve(createPorts({ netns: host.netns }), range(20_000, 20_009));
  const held = copies(lease);
  lease.release();
  const second = createPorts({ netns: host.netns, held });
  await reserve(second, range(20_000, 20_009, { protocol: "tcp" }));
  await expect(reserve(second, range(20_000, 20_009, { addresses: [address("0.0.0.0")] }))).rejects.toThrow(
    "address already in use",
  );
  second.sweep();
  await reserve(second, range(20_000, 20_009, { addresses: [address("0.0.0.0")] }));
});
