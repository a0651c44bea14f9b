// The small parts of the proxy.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  forwardFromWire,
  resolverConfigFromWire,
  toWire,
  zoneRecordFromWire,
} from "../../../src/proxy/messages.ts";
import { parseOnePort } from "../../../src/proxy/one-port.ts";
import { frame, Unframer } from "../../../src/proxy/tcp-frames.ts";
import { ip, record } from "../dns/world.ts";

describe("messages on a stream", () => {
  test("come out as they went in, wherever the stream is cut", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sent, cuts) => {
        const stream = Buffer.concat(sent.map(frame));
        const unframer = new Unframer();
        const received: Buffer[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1;
          received.push(...unframer.push(stream.subarray(at, at + size)));
          at += size;
        }
        expect(received.map((bytes) => [...bytes])).toEqual(sent.map((bytes) => [...bytes]));
        expect(unframer.isWithin).toBe(false);
      }),
    );
  });

  test("an unfinished one is known to be", () => {
    const unframer = new Unframer();
    expect(unframer.push(Buffer.from([0]))).toEqual([]);
    expect(unframer.isWithin).toBe(true);
  });
});

describe("wishes on the wire", () => {
  const over = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

  test("come out as they went in", () => {
    const forward = {
      protocol: "tcp",
      listen: ip("2001:db8::1"),
      listenPorts: { first: 1, last: 1 },
      target: ip("192.0.2.1"),
      targetPort: 2,
    } as const;
    expect(forwardFromWire(over(toWire(forward)))).toEqual(forward);
    const config = {
      netns: "/run/n",
      networks: ["n1"],
      privateNames: { db: ["e1"] },
      upstreams: [{ address: ip("192.0.2.53"), port: 5353, from: "host" as const }],
      forwards: true,
    };
    expect(resolverConfigFromWire(over(toWire(config)))).toEqual(config);
    expect(zoneRecordFromWire(over(toWire(record())))).toEqual(record());
  });

  test("an address that is none is an error", () => {
    expect(() => zoneRecordFromWire({ ...toWire(record()), addresses: ["x"] })).toThrow(/not an address: x/);
  });
});

describe("docker-proxy's flags", () => {
  const flags = ["-proto", "tcp", "-host-ip", "192.0.2.1", "-host-port", "8080"];
  const target = ["-container-ip", "172.18.0.2", "-container-port", "80"];

  test("are read in Go's spellings", () => {
    const port = {
      protocol: "tcp",
      host: ip("192.0.2.1"),
      hostPort: 8080,
      target: ip("172.18.0.2"),
      targetPort: 80,
      usesListenFd: false,
    };
    expect(parseOnePort([...flags, ...target])).toEqual(port);
    expect(parseOnePort([...flags, ...target, "-use-listen-fd"])).toEqual({ ...port, usesListenFd: true });
    expect(parseOnePort([...flags, ...target, "--use-listen-fd=true"])).toEqual({
      ...port,
      usesListenFd: true,
    });
    expect(parseOnePort(["--proto=udp", ...flags.slice(2), ...target])).toEqual({ ...port, protocol: "udp" });
  });

  test("other flags are not theirs", () => {
    expect(parseOnePort(["--control", "/run/x.sock"])).toBeUndefined();
    expect(parseOnePort([])).toBeUndefined();
  });

  test("a missing or broken value is named", () => {
    expect(() => parseOnePort(flags)).toThrow("-container-ip: not valid: missing");
    expect(() => parseOnePort([...flags, "-container-ip", "x"])).toThrow("-container-ip: not valid: x");
    expect(() => parseOnePort(["-proto", "icmp"])).toThrow("-proto: not valid: icmp");
  });
});
