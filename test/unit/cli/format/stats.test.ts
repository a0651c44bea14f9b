// The figures of `stats` from the daemon's samples.

import { describe, expect, it } from "vitest";
import { parseJson } from "../../../../src/cli/client/json.ts";
import { type StatsMessage, sampleOf, statsRow } from "../../../../src/cli/format/stats.ts";

const message = (memory: string) =>
  parseJson(`{"id":"${"ab".repeat(32)}","name":"/web","pids_stats":{"current":3},
    "networks":{"eth0":{"rx_bytes":1000,"tx_bytes":2},"eth1":{"rx_bytes":500,"tx_bytes":3}},
    "memory_stats":${memory},
    "blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":2000},{"op":"write","value":30},{"op":"Total","value":9}]},
    "cpu_stats":{"cpu_usage":{"total_usage":3000},"system_cpu_usage":20000,"online_cpus":2},
    "precpu_stats":{"cpu_usage":{"total_usage":1000},"system_cpu_usage":10000}}`) as StatsMessage;

const shown = (one: StatsMessage | undefined) => {
  const row = statsRow("web", one && sampleOf(one), true);
  return Object.fromEntries(Object.entries(row).map(([name, field]) => [name, field()]));
};

describe("a row of stats", () => {
  it("shows shares and sums", () => {
    expect(shown(message('{"usage":3145728,"limit":1073741824,"stats":{"inactive_file":1048576}}'))).toEqual({
      Container: "web",
      Name: "web",
      ID: "abababababab",
      CPUPerc: "40.00%",
      MemUsage: "2MiB / 1GiB",
      MemPerc: "0.20%",
      NetIO: "1.5kB / 5B",
      BlockIO: "2kB / 30B",
      PIDs: "3",
    });
  });

  it("can show a limit beyond what a double holds exactly", () => {
    const unlimited = message(
      '{"usage":1048576,"limit":9223372036854771712,"stats":{"total_inactive_file":0}}',
    );
    expect(shown(unlimited)).toMatchObject({ MemUsage: "1MiB / 8EiB", MemPerc: "0.00%" });
  });

  it("shows dashes until the first sample", () => {
    expect(shown(undefined)).toMatchObject({ Name: "--", CPUPerc: "--", MemUsage: "-- / --", PIDs: "--" });
  });
});
