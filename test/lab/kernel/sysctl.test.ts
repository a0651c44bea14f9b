// Sysctls of namespaces.

import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import {
  createBridge,
  openNetlink,
  readSysctl,
  writeSysctl,
  writeSysctls,
} from "../../../src/kernel/index.ts";
import { Namespaces } from "./namespaces.ts";

describe("a sysctl", () => {
  it("is the namespace's own", async () => {
    await using lab = await Namespaces.create("a", "b");
    const before = await readFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8");
    await writeSysctl("net.ipv4.ip_unprivileged_port_start", 77, lab.path("a"));
    expect(await readSysctl("net.ipv4.ip_unprivileged_port_start", lab.path("a"))).toBe("77");
    expect(await readSysctl("net.ipv4.ip_unprivileged_port_start", lab.path("b"))).toBe("1024");
    expect(await readFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8")).toBe(before);
  });

  it("of a link is there when the link is, dots in its name or not", async () => {
    await using lab = await Namespaces.create("a");
    await using netlink = await openNetlink(lab.path("a"));
    await netlink.send(createBridge({ name: "br.0" }));
    await writeSysctls(
      [
        { key: "net/ipv4/conf/br.0/route_localnet", value: 1 },
        { key: "net.ipv4.conf.br/0.proxy_arp", value: "1" },
      ],
      lab.path("a"),
    );
    expect(await readSysctl("net.ipv4.conf.br/0.route_localnet", lab.path("a"))).toBe("1");
    expect(await readSysctl("net/ipv4/conf/br.0/proxy_arp", lab.path("a"))).toBe("1");
  });

  it("that does not exist, or a value that is none, is an error that names it", async () => {
    await using lab = await Namespaces.create("a");
    await expect(readSysctl("net.ipv4.none", lab.path("a"))).rejects.toMatchObject({ code: "ENOENT" });
    await expect(writeSysctl("net.ipv4.ip_forward", "many", lab.path("a"))).rejects.toMatchObject({
      code: "EINVAL",
      message: "sysctl -w net.ipv4.ip_forward=many: invalid argument",
    });
  });

  it("in a namespace that does not exist is an error that names the namespace", async () => {
    await expect(readSysctl("net.ipv4.ip_forward", "/run/none")).rejects.toThrow(
      "sysctl net.ipv4.ip_forward: no such file or directory: open /run/none",
    );
  });

  it("of the process's own namespace is read without one", async () => {
    expect(await readSysctl("kernel.ostype")).toBe("Linux");
  });
});
