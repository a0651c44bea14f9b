// Host ports reserved on a kernel, beside others who want them.

import net from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  bindSocket,
  closeFd,
  type ParkedSockets,
  parkedFds,
  socketAddress,
  writeSysctl,
} from "../../../src/kernel/index.ts";
import { createPorts, type PortLease, type PortRequest, type Ports } from "../../../src/ports/index.ts";
import { address, type Host, Lab } from "../../conformance/firewall/lab.ts";

let lab: Lab;
let host: Host;
let ports: Ports;
let taken: PortLease[];
beforeEach(async () => {
  lab = new Lab();
  host = await lab.host("host");
  ports = createPorts({ netns: host.netns });
  taken = [];
});
afterEach(async () => {
  for (const lease of taken) lease.release();
  await lab[Symbol.asyncDispose]();
});

const request = (range: [number, number?] | undefined, more: Partial<PortRequest> = {}): PortRequest => ({
  protocol: "tcp",
  addresses: [address("0.0.0.0"), address("::")],
  ...(range ? { range: { first: range[0], last: range[1] ?? range[0] } } : {}),
  ...more,
});

async function reserve(...requests: PortRequest[]): Promise<number[]> {
  const leases = await ports.reserve(requests);
  taken.push(...leases);
  return leases.map(({ ports }) => ports.first);
}

test("a reserved port is bound, and not listened on, at each address", async () => {
  await reserve(request([8080]));
  const bound = taken[0]?.parked.flatMap(boundTo);
  expect(bound).toEqual([
    { address: address("0.0.0.0"), port: 8080 },
    { address: address("::"), port: 8080 },
  ]);
  expect(await host.ask({ to: "127.0.0.1", port: 8080 })).toBe("refused");
});

test("a port that another lease has is refused in Docker's words", async () => {
  await reserve(request([8080]));
  await expect(reserve(request([8080]))).rejects.toMatchObject({
    kind: "conflict",
    message: "Bind for 0.0.0.0:8080 failed: port is already allocated",
  });
  await expect(reserve(request([8080], { addresses: [address("127.0.0.1")] }))).rejects.toThrow(
    "Bind for 127.0.0.1:8080 failed: port is already allocated",
  );
  expect(await reserve(request([8080], { protocol: "udp" }))).toEqual([8080]);
});

test("a port that another process has is refused in Docker's words", async () => {
  await host.serve(8080);
  await expect(reserve(request([8080]))).rejects.toMatchObject({
    kind: "conflict",
    message: "failed to bind host port 0.0.0.0:8080/tcp: address already in use",
  });
  await expect(reserve(request([8080], { addresses: [address("::1")], protocol: "udp" }))).rejects.toThrow(
    "failed to bind host port [::1]:8080/udp: address already in use",
  );
});

test("a reserved port is taken for other processes", async () => {
  await reserve(request([8080]));
  const spec = {
    netns: host.netns,
    protocol: "tcp",
    address: address("0.0.0.0"),
    port: 8080,
    listen: 1,
  } as const;
  await expect(bindSocket(spec)).rejects.toMatchObject({ code: "EADDRINUSE" });
});

test("all are reserved or none", async () => {
  await host.serve(8082);
  await expect(reserve(request([8081]), request([8082]))).rejects.toThrow("address already in use");
  await expect(reserve(request([8081]), request([8081]))).rejects.toThrow("port is already allocated");
  expect(await reserve(request([8081]))).toEqual([8081]);
});

test("exact ports are served before ranges, whatever the order", async () => {
  expect(await reserve(request([8080, 8082]), request([8080]), request([8081]))).toEqual([8082, 8080, 8081]);
});

test("a range goes round what others have and ends where all are taken", async () => {
  await host.serve(8080);
  expect(await reserve(request([8080, 8082]))).toEqual([8081]);
  expect(await reserve(request([8080, 8082]))).toEqual([8082]);
  await expect(reserve(request([8080, 8082]))).rejects.toMatchObject({
    kind: "conflict",
    message: "Bind for 0.0.0.0:8080-8082 failed: all ports are allocated",
  });
});

test("a range takes a port that is free on every address", async () => {
  const spec = {
    netns: host.netns,
    protocol: "tcp",
    address: address("::1"),
    port: 8080,
    listen: 1,
  } as const;
  const fd = await bindSocket(spec);
  expect(await reserve(request([8080, 8081]))).toEqual([8081]);
  closeFd(fd);
});

test("without a range the host's ephemeral ports are used one after the other, reserved ones left out", async () => {
  await writeSysctl("net.ipv4.ip_local_port_range", "40000 40005", host.netns);
  await writeSysctl("net.ipv4.ip_local_reserved_ports", "40001-40002", host.netns);
  expect(await reserve(request(undefined), request(undefined))).toEqual([40000, 40003]);
  taken.shift()?.release();
  expect(await reserve(request(undefined))).toEqual([40004]);
  expect(await reserve(request(undefined), request(undefined))).toEqual([40005, 40000]);
  await expect(reserve(request(undefined))).rejects.toThrow("all ports are allocated");
});

test("an address that the host does not have is refused", async () => {
  await expect(reserve(request([80], { addresses: [address("192.0.2.77")] }))).rejects.toMatchObject({
    kind: "invalid",
    message: "failed to bind host port 192.0.2.77:80/tcp: cannot assign requested address",
  });
});

test("sctp works, or says what the kernel lacks", async () => {
  const outcome = await reserve(request([80], { protocol: "sctp" })).catch((error: Error) => error.message);
  expect([
    [80],
    "failed to bind host port 0.0.0.0:80/sctp: this kernel has no SCTP sockets (CONFIG_IP_SCTP)",
  ]).toContainEqual(outcome);
});

test("a released port is free again at once, and releasing twice hurts nobody", async () => {
  await reserve(request([8080]));
  taken[0]?.release();
  taken[0]?.release();
  expect(await reserve(request([8080]))).toEqual([8080]);
});

test("connections that linger after their listener do not keep a port", async () => {
  const [lease] = await ports.reserve([request([8080], { addresses: [address("127.0.0.1")] })]);
  lease?.release();
  await lingering(8080);
  expect(await host.run("ss -Htan state time-wait")).toContain(":8080");
  expect(await reserve(request([8080]))).toEqual([8080]);
});

test("a thousand ports on two addresses are reserved at once", async () => {
  const requests = Array.from({ length: 1000 }, (_, at) => request([10_000 + at]));
  expect(await reserve(...requests)).toHaveLength(1000);
});

function boundTo(parked: ParkedSockets) {
  return parkedFds(parked).map((fd) => {
    const bound = socketAddress(fd);
    closeFd(fd);
    return bound;
  });
}

/** A connection that the server ends first: its end of the port stays in TIME_WAIT. */
async function lingering(port: number): Promise<void> {
  const spec = { netns: host.netns, protocol: "tcp", address: address("0.0.0.0"), port } as const;
  const fd = await bindSocket({ ...spec, listen: 1, reuseAddress: true });
  const server = net.createServer((socket) => socket.end("bye"));
  await new Promise<void>((listening) => server.listen({ fd }, listening));
  await host.ask({ to: "127.0.0.1", port });
  await new Promise((closed) => server.close(closed));
}
