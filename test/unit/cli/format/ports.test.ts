// The PORTS column.

import { describe, expect, it } from "vitest";
import { formatPorts } from "../../../../src/cli/format/ports.ts";

const port = (PrivatePort: number, PublicPort?: number, IP?: string, Type = "tcp") => ({
  PrivatePort,
  Type,
  ...(PublicPort === undefined ? {} : { PublicPort }),
  ...(IP === undefined ? {} : { IP }),
});

describe("the ports of a container", () => {
  it("are shown one by one when they differ on both sides", () => {
    expect(formatPorts([port(80, 8080, "0.0.0.0"), port(80, 8080, "::")])).toBe(
      "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
    );
  });

  it("merge into runs when they are the same on both sides", () => {
    const ports = [3, 1, 2, 7].map((n) => port(8000 + n, 8000 + n, "0.0.0.0"));
    expect(formatPorts(ports)).toBe("0.0.0.0:8001-8003->8001-8003/tcp, 0.0.0.0:8007->8007/tcp");
  });

  it("merge by address and protocol", () => {
    const ports = [port(53, 53, "127.0.0.1", "udp"), port(53, 53, "127.0.0.1"), port(54, 54, "127.0.0.1")];
    expect(formatPorts(ports)).toBe("127.0.0.1:53-54->53-54/tcp, 127.0.0.1:53->53/udp");
  });

  it("merge when they are only exposed", () => {
    expect(formatPorts([port(80), port(81), port(443), port(53, undefined, undefined, "udp")])).toBe(
      "80-81/tcp, 53/udp, 443/tcp",
    );
  });

  it("are nothing when there are none", () => {
    expect(formatPorts([])).toBe("");
  });
});
