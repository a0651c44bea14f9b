// What publishing and unpublishing makes of a container's spec.

import { describe, expect, test } from "vitest";
import { type Surroundings, withPorts } from "../../../src/engine/port-changes.ts";
import type { ContainerSpec, PortBinding } from "../../../src/engine/types.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { address, containerSpec } from "../api/fake-engine.ts";

const tcp = (containerPort: number, host?: number | string, hostAddress?: string): PortBinding => {
  const [first = 0, last = first] = String(host ?? "")
    .split("-")
    .filter((text) => text !== "")
    .map(Number);
  return {
    protocol: "tcp",
    containerPort,
    ...(host !== undefined && { hostPorts: { first, last } }),
    ...(hostAddress !== undefined && { hostAddress: address(hostAddress) }),
  };
};

const exposed = (...ports: readonly (readonly [number, number])[]) =>
  ports.map(([first, last]) => ({ protocol: "tcp" as const, range: { first, last } }));

const quiet: Surroundings = { live: [], isExposedByImage: () => false };

function change(
  spec: Partial<ContainerSpec>,
  {
    add = [],
    remove = [],
  }: { readonly add?: readonly PortBinding[]; readonly remove?: readonly PortBinding[] },
  around: Partial<Surroundings> = {},
) {
  const changed = withPorts(
    containerSpec({ name: "web", ...spec }),
    { add, remove },
    { ...quiet, ...around },
  );
  return { bindings: changed.portBindings, exposed: changed.exposedPorts, given: changed.given.hostConfig };
}

describe("a port that is added", () => {
  test("is bound, exposed, and shown as Docker shows bindings", () => {
    const before = { portBindings: [tcp(80, 8080)], exposedPorts: exposed([80, 80]) };
    const after = change(before, { add: [tcp(80, 8081, "127.0.0.1"), tcp(443), tcp(81, "9000-9010", "::")] });
    expect(after.bindings).toHaveLength(4);
    expect(after.exposed).toEqual(exposed([80, 80], [443, 443], [81, 81]));
    expect(after.given).toEqual({
      PortBindings: {
        "80/tcp": [
          { HostIp: "", HostPort: "8080" },
          { HostIp: "127.0.0.1", HostPort: "8081" },
        ],
        "443/tcp": [{ HostIp: "", HostPort: "" }],
        "81/tcp": [{ HostIp: "::", HostPort: "9000-9010" }],
      },
    });
  });

  test("twice is refused for the same host port, and fine for any", () => {
    const before = { portBindings: [tcp(80, 8080)] };
    const twice = () => change(before, { add: [tcp(81, 8080)] });
    expect(twice).toThrow("Bind for 0.0.0.0:8080 failed: port is already allocated");
    expect(twice).toThrow(expect.objectContaining({ kind: "conflict" }));
    expect(() => change({}, { add: [tcp(80, 1, "::1"), tcp(80, 1, "::1")] })).toThrow(
      "Bind for [::1]:1 failed",
    );
    expect(change(before, { add: [tcp(80), tcp(80)] }).bindings).toHaveLength(3);
  });

  test("keeps what else the client said of the host", () => {
    const given = { config: {}, hostConfig: { AutoRemove: true, PortBindings: { "1/tcp": [] } } };
    expect(change({ given }, { add: [tcp(80, 1)] }).given).toEqual({
      AutoRemove: true,
      PortBindings: { "80/tcp": [{ HostIp: "", HostPort: "1" }] },
    });
  });
});

describe("a port that is removed", () => {
  const portBindings = [tcp(80, 8080), tcp(80, 8081, "127.0.0.1"), tcp(80, "9000-9010"), tcp(80)];
  const left = (remove: readonly PortBinding[], live: Surroundings["live"] = []) =>
    change({ portBindings }, { remove }, { live }).bindings.map((binding) => portBindings.indexOf(binding));
  const published = (hostPort: number) => [
    { protocol: "tcp" as const, containerPort: 80, hostAddress: address("0.0.0.0"), hostPort },
  ];

  test("is named by container port, host port, host address, or range", () => {
    expect(left([tcp(80)])).toEqual([]);
    expect(left([tcp(80, 8080)])).toEqual([1, 2, 3]);
    expect(left([tcp(80, 8081)])).toEqual([0, 2, 3]);
    expect(left([tcp(80, undefined, "127.0.0.1")])).toEqual([0, 2, 3]);
    expect(left([tcp(80, 8080, "0.0.0.0")])).toEqual([1, 2, 3]);
    expect(left([tcp(80, "9000-9010")])).toEqual([0, 1, 3]);
  });

  test("is named by the port that was chosen for it", () => {
    expect(left([tcp(80, 9003)], published(9003))).toEqual([0, 1, 3]);
    expect(left([tcp(80, 32768)], published(32768))).toEqual([0, 1, 2]);
  });

  test("must be published", () => {
    const refuse = (gone: PortBinding, text: string) => {
      const act = () => left([gone], published(32768));
      expect(act).toThrow(`No public port '${text}' published for web`);
      expect(act).toThrow(expect.toSatisfy((error) => errorKind(error) === "not-found"));
    };
    refuse(tcp(81), "81/tcp");
    refuse(tcp(80, 9999), "9999:80/tcp");
    refuse(tcp(80, 8080, "127.0.0.1"), "127.0.0.1:8080:80/tcp");
    refuse({ ...tcp(80), protocol: "udp" }, "80/udp");
  });

  test("stays exposed only by its image, or while another binding has it", () => {
    const spec = { portBindings: [tcp(80, 1), tcp(80, 2)], exposedPorts: exposed([79, 81]) };
    expect(change(spec, { remove: [tcp(80, 1)] }).exposed).toEqual(exposed([79, 81]));
    expect(change(spec, { remove: [tcp(80)] }).exposed).toEqual(exposed([79, 79], [81, 81]));
    const isExposedByImage = () => true;
    expect(change(spec, { remove: [tcp(80)] }, { isExposedByImage }).exposed).toEqual(exposed([79, 81]));
  });

  test("with -P is no longer exposed, for else it would be published again", () => {
    const spec = { publishAllPorts: true, exposedPorts: exposed([80, 80]) };
    const isExposedByImage = () => true;
    expect(change(spec, { remove: [tcp(80)] }, { isExposedByImage }).exposed).toEqual([]);
  });

  test("may be added again in the same change", () => {
    const spec = { portBindings: [tcp(80, 8080)], exposedPorts: exposed([80, 80]) };
    const after = change(spec, { remove: [tcp(80, 8080)], add: [tcp(81, 8080)] });
    expect(after.bindings).toEqual([tcp(81, 8080)]);
    expect(after.exposed).toEqual(exposed([81, 81]));
  });
});
