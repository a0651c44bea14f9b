// The files behind sysctls.

import { describe, expect, it } from "vitest";
import { sysctlPath } from "../../../src/kernel/sysctl.ts";

describe("the file of a sysctl", () => {
  it.each([
    ["net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"],
    ["net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward"],
    ["net.ipv4.conf.eth0/1.forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding"],
    ["net/ipv4/conf/eth0.1/forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding"],
    ["domainname", "/proc/sys/domainname"],
  ])("of %s is %s", (key, path) => {
    expect(sysctlPath(key)).toBe(path);
  });

  it.each(["", "net..ipv4", "net/../../etc/passwd", "net/./ipv4", "/net/ipv4", "net.ipv4.", "net/ip\0v4"])(
    "of %j is refused",
    (key) => {
      expect(() => sysctlPath(key)).toThrow("not a key");
    },
  );
});
