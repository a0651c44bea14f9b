// Services of a network over two hosts: one virtual address, and ports that are open on every host.

import { beforeAll, expect, test } from "vitest";
import type { LabHost } from "../lab/lab.ts";
import type { Daemon } from "./daemon.ts";
import { untilNodes, useHosts } from "./hosts.ts";
import { until } from "./run.ts";

const site = useHosts(3);
/** A host without a daemon. */
const client = () => site().host(3);
let hosts: readonly [Daemon, Daemon];

beforeAll(async () => {
  const start = (number: number) => site().keep(number, { images: ["busybox"] });
  hosts = await Promise.all([start(1), start(2)]);
  const [one, two] = hosts;
  expect(await one.tsdocker("cluster", "init")).toMatchObject({ code: 0 });
  const token = (await one.tsdocker("cluster", "token", "-q", "--node")).stdout.trim();
  expect(await two.tsdocker("cluster", "join", "--node", "--token", token, "192.0.2.1")).toMatchObject({
    code: 0,
  });
  for (const daemon of hosts) await untilNodes(daemon, "host1 member up, host2 node up");
  await one.ok("network", "create", "-d", "overlay", "blue");
  await until("blue is there", async () => (await two.ok("network", "ls", "-q", "-f", "name=blue")) !== "");
  await serve(one, "w1");
  await serve(two, "w2");
});

/** Answers its name on port 80 until it is removed, as an endpoint of the service `web`. */
const serve = (daemon: Daemon, name: string) =>
  daemon.ok(
    ...["run", "-d", "--name", name, "--stop-timeout", "0"],
    ...["--network", "name=blue,driver-opt=tsdocker.service=web", "busybox"],
    // what is not read when the connection ends would end it by a reset
    ...["nc", "-ll", "-p", "80", "-e", "sh", "-c", `head -c 5 > /dev/null; echo ${name}`],
  );

/** Of the one service of the network. */
async function service(daemon: Daemon, format: string): Promise<string> {
  const { stdout } = await daemon.tsdocker("network", "service", "ls", "--format", format, "blue");
  return stdout.trim();
}

const publishes = (daemon: Daemon, ...words: readonly string[]) =>
  daemon.tsdocker("network", "service", ...words);

/** Who answers, asked many times: one by one, since so the servers answer. */
async function answers(from: LabHost, at: string): Promise<string> {
  const seen = new Set<string>();
  for (let times = 0; times < 12; times++)
    seen.add((await from.ask(at).catch((error: Error) => error.message)).trim());
  return [...seen].sort().join();
}

async function untilAnswers(from: LabHost, at: string, wanted: string): Promise<void> {
  let seen = "";
  await until(`${at} answers ${wanted}`, async () => {
    seen = await answers(from, at);
    return seen === wanted;
  }).catch((error) => {
    throw new Error(`${error}; it answers ${seen}`);
  });
}

test("a service is one address for endpoints on all hosts", async () => {
  const [one, two] = hosts;
  await until("both are ready", async () => (await service(two, "{{.Name}} {{.Ready}}")) === "web 2");
  const vip = await service(one, "{{.VIP}}");
  // one of them asks: it may be served by itself
  await using stack = new AsyncDisposableStack();
  const inside = stack.adopt(await one.inside("w1"), (host) => host.close());
  await untilAnswers(inside, `${vip}:80`, "w1,w2");
});

test("its published ports are open on every host, and lead to endpoints on all of them", async () => {
  const [one, two] = hosts;
  expect(await publishes(one, "publish", "blue", "web", "8080:80")).toEqual({
    code: 0,
    stdout: "*:8080->80/tcp\n",
    stderr: "",
  });
  for (const at of ["192.0.2.1:8080", "192.0.2.2:8080"]) await untilAnswers(client(), at, "w1,w2");
  await untilAnswers(one.host, "127.0.0.1:8080", "w1,w2");
  await untilAnswers(two.host, "127.0.0.1:8080", "w1,w2");
  expect(await publishes(one, "publish", "blue", "web", "8080:81")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("8080/tcp"),
  });
});

test("a port that is taken on one host is open on the others, until it is free", async () => {
  const [one, two] = hosts;
  // what a first try left
  await publishes(one, "unpublish", "blue", "web", "9090");
  await using taken = await until("nobody has the port", () =>
    two.host.listen("0.0.0.0", 9090).catch(() => undefined),
  );
  const reason = "failed to bind host port 0.0.0.0:9090/tcp: address already in use";
  // this host is asked, and says so at once
  expect(await publishes(two, "publish", "blue", "web", "9090:80")).toMatchObject({
    code: 0,
    stdout: "*:9090->80/tcp\n",
    stderr: expect.stringMatching(`^WARNING: host2 cannot open port 9090/tcp yet: ${reason}`),
  });
  await untilAnswers(client(), "192.0.2.1:9090", "w1,w2");
  const closed = async () =>
    (
      await publishes(
        one,
        "inspect",
        "--format",
        "{{range .Closed}}{{.NodeName}}: {{.Reason}}{{end}}",
        "blue",
        "web",
      )
    ).stdout.trim();
  await until("host1 knows why", async () => (await closed()).startsWith(`host2: ${reason}`));
  expect(await service(one, "{{.Ports}}")).toContain("*:9090->80/tcp (closed on host2)");
  expect((await one.tsdocker("cluster", "status")).stdout).toContain(
    `host2: port 9090/tcp of service web of network blue is closed: ${reason}`,
  );
  for (const { events } of hosts)
    await until("it is an event on every host", async () =>
      events.some(
        ({ Action, Actor }) => Action === "service-port-closed" && Actor.Attributes.node === "host2",
      ),
    );
  await taken.close();
  await until("it is open there too", async () => (await closed()) === "");
  await untilAnswers(client(), "192.0.2.2:9090", "w1,w2");
});

test("an endpoint on the host that a client asks sees the client, others see that host's ingress", async () => {
  const [one, two] = hosts;
  expect(await publishes(one, "publish", "blue", "web", "8081:81")).toMatchObject({ code: 0 });
  await using stack = new AsyncDisposableStack();
  for (const [daemon, name] of [
    [one, "w1"],
    [two, "w2"],
  ] as const) {
    const inside = stack.adopt(await daemon.inside(name), (host) => host.close());
    await inside.listen("0.0.0.0", 81);
  }
  const legOf = async (daemon: Daemon) => {
    const { Containers } = await daemon.ask("GET", "/networks/blue");
    const members: { Name: string; IPv4Address: string }[] = Object.values(Containers);
    return members.find(({ Name }) => Name === "ingress_blue")?.IPv4Address.split("/")[0] ?? "";
  };
  const [leg1, leg2] = [await legOf(one), await legOf(two)];
  await untilAnswers(client(), "192.0.2.1:8081", `w1 192.0.2.3,w2 ${leg1}`);
  await untilAnswers(client(), "192.0.2.2:8081", `w1 ${leg2},w2 192.0.2.3`);
  // the host itself is beside its containers
  await untilAnswers(one.host, "127.0.0.1:8081", `w1 ${leg1},w2 ${leg1}`);
});

test("endpoints that are gone are asked no more, and with the last one ports refuse and the network may go", async () => {
  const [one, two] = hosts;
  await two.ok("rm", "-f", "w2");
  await untilAnswers(client(), "192.0.2.2:8080", "w1");
  await one.ok("rm", "-f", "w1");
  await untilAnswers(client(), "192.0.2.2:8080", "ECONNREFUSED");
  expect(await publishes(two, "unpublish", "blue", "web", "8080-8081", "9090")).toMatchObject({ code: 0 });
  await until("the service is gone", async () => (await service(one, "{{.Name}}")) === "");
  await until("the network may go", async () => (await one.docker("network", "rm", "blue")).code === 0);
});
