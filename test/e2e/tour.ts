// The tour that a newcomer takes, by a client's command line: typed as the README has it, with what must come back.

import { afterEach, describe, expect, test } from "vitest";
import type { Client, Daemon } from "./daemon.ts";
import { type Ran, run, until } from "./run.ts";
import type { Site } from "./site.ts";

/** Defines the tour's tests for a client. */
export function describeTour(client: Client, site: () => Site): void {
  const daemon = (): Daemon => site().daemon;
  const typed = (...args: readonly string[]): Promise<Ran> => daemon().client(client, args);
  const ok = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await typed(...args);
    expect({ code, stderr }, args.join(" ")).toEqual({ code: 0, stderr: "" });
    return stdout.trim();
  };
  const curl = (netns: string, url: string) =>
    run("nsenter", [`--net=${netns}`, "curl", "-sS", "--max-time", "3", url]);
  const welcomes = (netns: string, url: string) =>
    until(`curl ${url}`, async () => (await curl(netns, url)).stdout.includes("Welcome to nginx"));

  describe(`the tour by ${client}`, () => {
    afterEach(() => daemon().removeAll());

    test("a fresh daemon has the networks bridge, host and none", async () => {
      const rows = (await ok("network", "ls")).split("\n").map((line) => line.split(/ {2,}/).slice(1));
      expect(rows).toEqual([
        ["NAME", "DRIVER", "SCOPE"],
        ["bridge", "bridge", "local"],
        ["host", "host", "local"],
        ["none", "null", "local"],
      ]);
    });

    test("c1 and c2 talk over x1, by address and by name", async () => {
      expect(await ok("network", "create", "-d", "bridge", "x1")).toMatch(/^[0-9a-f]{64}$/);
      const id = await ok("run", "-d", "--name", "c1", "--network", "x1", "nginx");
      expect(id).toMatch(/^[0-9a-f]{64}$/);
      await ok("run", "-d", "--name", "c2", "--network", "x1", "nginx");
      const shown = JSON.parse(await ok("network", "inspect", "x1", "--format", "{{json .Containers}}"));
      expect(shown[id]).toMatchObject({ Name: "c1", IPv4Address: "172.18.0.2/16" });
      expect(Object.keys(shown)).toHaveLength(2);
      for (const target of ["172.18.0.2", "c1"]) {
        const page = await ok("exec", "c2", "curl", "-s", "--retry-connrefused", "--retry", "5", target);
        expect(page).toContain("Welcome to nginx");
      }
      expect(await ok("stop", "c1")).toBe("c1");
      expect(await ok("ps", "--format", "{{.Names}}")).toBe("c2");
      expect(await ok("start", "c1")).toBe("c1");
      expect((await ok("ps", "--format", "{{.Names}}")).split("\n").sort()).toEqual(["c1", "c2"]);
      expect(await ok("rm", "-f", "c1", "c2")).toBe("c1\nc2");
      expect(await ok("network", "rm", "x1")).toBe("x1");
    });

    test("a terminal in a container is one", async () => {
      await ok("network", "create", "-d", "bridge", "x1");
      await ok("run", "-d", "--name", "c1", "--network", "x1", "nginx");
      await ok("run", "-d", "--name", "c2", "--network", "x1", "nginx");
      await ok("exec", "c2", "curl", "-s", "--retry-connrefused", "--retry", "5", "-o", "/dev/null", "c1");
      const terminal = daemon().terminal(client, ["exec", "-it", "c2", "/bin/bash"]);
      await terminal.shows(/# /);
      terminal.type("tty; stty size; curl -s c1 | grep -m 1 -o 'Welcome to nginx'; exit 7\r");
      expect(await terminal.ends()).toBe(7);
      expect(terminal.screen).toContain("/dev/pts/0");
      expect(terminal.screen).toContain("30 99");
      expect(terminal.screen).toMatch(/\nWelcome to nginx/);
    });

    test("a published port answers on the host, to another host and to containers", async () => {
      const { host, peer } = site();
      await ok("run", "-d", "--name", "web", "-p", "8080:80", "nginx");
      for (const url of [
        "localhost:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "192.0.2.1:8080",
        "[2001:db8::1]:8080",
      ])
        await welcomes(host.netns, url);
      for (const url of ["192.0.2.1:8080", "[2001:db8::1]:8080"]) await welcomes(peer.netns, url);
      await ok("network", "create", "x1");
      await ok("run", "-d", "--name", "other", "--network", "x1", "nginx");
      for (const container of ["web", "other"]) {
        const page = await ok("exec", container, "curl", "-s", "--max-time", "20", "192.0.2.1:8080");
        expect(page, `from ${container}`).toContain("Welcome to nginx");
      }
      // older docker CLIs leave the brackets out
      expect((await ok("port", "web")).replace(":::", "[::]:")).toBe(
        "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080",
      );
      await until("nginx logs", async () => (await typed("logs", "web")).stdout.includes("GET / HTTP/1.1"));
      expect(await ok("ps")).toContain("0.0.0.0:8080->80/tcp");
      await ok("rm", "-f", "web", "other");
      const gone = await curl(host.netns, "127.0.0.1:8080");
      expect(gone.code).toBe(7);
    });

    test("host mode sees the host's interfaces, mode none lo alone", async () => {
      const names = (text: string) => [...text.matchAll(/^[0-9]+: ([^:@]+)/gm)].map(([, name]) => name);
      expect(names(await ok("run", "--rm", "--network", "host", "busybox", "ip", "addr"))).toEqual(
        expect.arrayContaining(["lo", "eth0", "docker0"]),
      );
      expect(names(await ok("run", "--rm", "--network", "none", "busybox", "ip", "addr"))).toEqual(["lo"]);
    });
  });
}
