// cgroup figures, v1 and v2.

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { MetricsSchema as Cgroup1 } from "../../../src/runtime/gen/cgroup1_pb.ts";
import { MetricsSchema as Cgroup2 } from "../../../src/runtime/gen/cgroup2_pb.ts";
import { MetricSchema } from "../../../src/runtime/gen/types_pb.ts";
import { decodeMetrics } from "../../../src/runtime/metrics.ts";

const at = new Date("2026-11-01T00:00:00Z");

function metric<D extends DescMessage>(
  schema: D,
  init: MessageInitShape<D>,
  typeUrl: string = schema.typeName,
) {
  const value = toBinary(schema, create(schema, init));
  return create(MetricSchema, { timestamp: timestampFromDate(at), id: "c", data: { typeUrl, value } });
}

test("cgroup v1 numbers keep the kernel's names", () => {
  const decoded = decodeMetrics(
    metric(Cgroup1, {
      cpu: { usage: { total: 10n, kernel: 3n, user: 7n, perCpu: [4n, 6n] }, throttling: { periods: 2n } },
      memory: {
        rss: 5n,
        totalInactiveFile: 6n,
        pgMajFault: 7n,
        usage: { usage: 100n, max: 200n, limit: 300n, failcnt: 1n },
      },
      pids: { current: 2n, limit: 0n },
      blkio: { ioServiceBytesRecursive: [{ op: "Read", major: 8n, minor: 0n, value: 9n }] },
      memoryOomControl: { oomKill: 1n },
    }),
  );
  expect(decoded).toMatchObject({
    at,
    cgroupVersion: 1,
    cpu: { totalNs: 10, kernelNs: 3, userNs: 7, perCpuNs: [4, 6], throttling: { periods: 2 } },
    memory: { usageBytes: 100, maxUsageBytes: 200, limitBytes: 300, failures: 1 },
    pids: { current: 2, limit: 0 },
    blockIo: { bytes: [{ operation: "read", major: 8, minor: 0, value: 9 }], operations: [] },
    oomKills: 1,
  });
  expect(decoded?.memory.stats).toMatchObject({ rss: 5, total_inactive_file: 6, pgmajfault: 7 });
});

test("cgroup v2 times become nanoseconds, and 'max' no limit", () => {
  const decoded = decodeMetrics(
    metric(Cgroup2, {
      cpu: { usageUsec: 10n, userUsec: 6n, systemUsec: 4n, throttledUsec: 1n },
      memory: { usage: 100n, usageLimit: 300n, inactiveFile: 5n, swapUsage: 1n },
      pids: { current: 1n, limit: 2n ** 64n - 1n },
      io: { usage: [{ major: 8n, minor: 0n, rbytes: 1n, wbytes: 2n, rios: 3n, wios: 4n }] },
      memoryEvents: { oomKill: 2n },
    }),
  );
  expect(decoded).toMatchObject({
    cgroupVersion: 2,
    cpu: { totalNs: 10_000, userNs: 6000, kernelNs: 4000, perCpuNs: [], throttling: { throttledNs: 1000 } },
    memory: { usageBytes: 100, limitBytes: 300 },
    pids: { current: 1, limit: 0 },
    oomKills: 2,
  });
  expect(decoded?.memory.stats).toMatchObject({ inactive_file: 5 });
  expect(decoded?.memory.stats).not.toHaveProperty("swap_usage");
  expect(decoded?.blockIo.operations.map(({ operation, value }) => [operation, value])).toEqual([
    ["read", 3],
    ["write", 4],
  ]);
});

test("the type is known with and without a prefix, and others are not", () => {
  const prefixed = metric(Cgroup2, {}, `types.googleapis.com/${Cgroup2.typeName}`);
  expect(decodeMetrics(prefixed)?.cgroupVersion).toBe(2);
  expect(decodeMetrics(metric(Cgroup2, {}, "other"))).toBeUndefined();
});
