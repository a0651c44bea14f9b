// Published ports that change, close, or fail.

import { describe, expect, test } from "vitest";
import type { PortBinding, Rule } from "../../../src/driverapi/index.ts";
import { formatPortRange } from "../../../src/netip/index.ts";
import { bind, endpointId, networkId, publish, tcp } from "./bridge-world.ts";

describe("published ports", () => {
  const ranges = (rules: readonly Rule[] = []) =>
    rules.filter((rule) => rule.kind === "publish").map(({ hostPorts }) => formatPortRange(hostPorts));

  test("are changed while the container runs: what stays is not reserved again and keeps its rule", async () => {
    const { host, driver } = await publish({}, [bind(8000, 8000, 10), tcp(80)]);
    const request = {
      networkId,
      endpointId,
      gateways: { ipv4: true, ipv6: false },
      ipv6Elsewhere: false,
      exposedPorts: [],
    };
    const program = (portBindings: readonly PortBinding[]) =>
      driver.programExternalConnectivity?.({ ...request, portBindings });
    host.steps.transcript.length = 0;
    const grown = await program([bind(8000, 8000, 10), tcp(80), bind(8010, 8010, 1), tcp(90, 9000)]);
    expect(host.steps.transcript.filter((step) => step.startsWith("reserve"))).toEqual([
      "reserve tcp 8010",
      "reserve tcp 9000",
    ]);
    expect(ranges(host.rules.get(endpointId))).toEqual(["8000-8009", "8010", "9000", "32769"]);
    expect(grown?.find(({ containerPort }) => containerPort === 80)?.hostPort).toBe(32769);

    host.steps.transcript.length = 0;
    await program([bind(8000, 8000, 5), bind(8006, 8006, 4), tcp(90, 9000)]);
    expect(host.steps.transcript.filter((step) => step.startsWith("reserve"))).toEqual([]);
    expect(ranges(host.rules.get(endpointId))).toEqual(["8000-8004", "8006-8009", "9000"]);
    expect([host.held.has("tcp 0.0.0.0:8005"), host.held.has("tcp 0.0.0.0:8004")]).toEqual([false, true]);
    expect([host.held.has("tcp 0.0.0.0:8010"), host.held.has("tcp 0.0.0.0:32769")]).toEqual([false, false]);
  });

  test("lead to another container port without a moment in which the host port is free", async () => {
    const { host, program, driver } = await publish({}, [tcp(80, 8080)]);
    await program();
    host.steps.transcript.length = 0;
    await driver.programExternalConnectivity?.({
      networkId,
      endpointId,
      gateways: { ipv4: true, ipv6: false },
      ipv6Elsewhere: false,
      exposedPorts: [],
      portBindings: [tcp(81, 8080)],
    });
    expect(host.steps.transcript.filter((step) => step.startsWith("reserve"))).toEqual([]);
    expect(host.rules.get(endpointId)?.[0]).toMatchObject({ targetPorts: { first: 81, last: 81 } });
  });

  test("are as they were when a change fails at any step", async () => {
    const { host, driver, program } = await publish({}, [tcp(80, 8080)]);
    const before = { rules: host.rules.get(endpointId), forwards: host.forwards.get(endpointId) };
    for (let step = 1; step <= 3; step++) {
      host.steps.failAt(step);
      const changing = driver.programExternalConnectivity?.({
        networkId,
        endpointId,
        gateways: { ipv4: true, ipv6: false },
        ipv6Elsewhere: false,
        exposedPorts: [],
        portBindings: [tcp(90, 9000)],
      });
      await expect(changing, `step ${step}`).rejects.toThrow("injected");
      host.steps.failAt(undefined);
      expect([host.rules.get(endpointId), host.forwards.get(endpointId)]).toEqual([
        before.rules,
        before.forwards,
      ]);
      expect([...host.held]).toEqual(["tcp 0.0.0.0:8080", "tcp :::8080"]);
    }
    await program();
  });

  test("are refused when one request asks for a host port twice", async () => {
    await expect(publish({}, [tcp(80, 8080), tcp(81, 8080)])).rejects.toThrow(
      "Bind for 0.0.0.0:8080 failed: port is already allocated",
    );
  });

  test("close again, in an order that lets nobody in, and may be closed twice", async () => {
    const { host, driver } = await publish({}, [tcp(80, 8080)]);
    for (let round = 0; round < 2; round++)
      await driver.revokeExternalConnectivity?.({ networkId, endpointId });
    expect([host.held.size, host.rules.has(endpointId), host.forwards.size]).toEqual([0, false, 0]);
  });

  test("go with their endpoint or their network", async () => {
    const one = await publish({}, [tcp(80, 8080)]);
    await one.driver.deleteEndpoint({ networkId, endpointId });
    expect(one.host.held.size).toBe(0);
    const two = await publish({}, [tcp(80, 8080)]);
    await two.driver.deleteNetwork({ networkId });
    expect(two.host.held.size).toBe(0);
  });

  test("that fail at any step leave none open", async () => {
    const { host, driver, program } = await publish({}, []);
    const bindings = [tcp(80, 8080), tcp(90, 8081)];
    for (let step = 1; step <= 4; step++) {
      host.steps.failAt(step);
      const programming = driver.programExternalConnectivity?.({
        networkId,
        endpointId,
        gateways: { ipv4: true, ipv6: false },
        ipv6Elsewhere: false,
        exposedPorts: [],
        portBindings: bindings,
      });
      await expect(programming, `step ${step}`).rejects.toThrow("injected");
      host.steps.failAt(undefined);
      expect([host.rules.has(endpointId), host.forwards.size]).toEqual([false, 0]);
      // the fake reserves one by one: what it took before it failed is its own to give back
      host.held.clear();
    }
    await program();
  });
});
