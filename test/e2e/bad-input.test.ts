// What a client gets wrong: Docker's status, a message that says what and why, and nothing left behind.

import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Snapshot } from "../lab/leaks.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const docker = (...args: readonly string[]) => daemon().docker(...args);

let before: Snapshot;

beforeAll(async () => {
  before = await daemon().snapshot();
});

afterEach(async () => {
  await daemon().removeAll();
  await daemon().expectBackTo(before);
  expect(await daemon().containerSnapshots()).toEqual([]);
});

/** Answers of the API: method and path, body, status, message. */
type Row = readonly [string, unknown, number, RegExp];

const check = async ([call, body, status, message]: Row) => {
  const [method = "", path = ""] = call.split(" ");
  const answer = await daemon().api(method, path, body);
  expect({ status: answer.status, message: answer.body.message }).toEqual({
    status,
    message: expect.stringMatching(message),
  });
};

describe("what is not there", () => {
  const rows: Row[] = [
    ["GET /networks/nowhere", undefined, 404, /^network nowhere not found$/],
    ["DELETE /networks/nowhere", undefined, 404, /^network nowhere not found$/],
    ["POST /networks/nowhere/connect", { Container: "nobody" }, 404, /^network nowhere not found$/],
    ["POST /networks/bridge/connect", { Container: "nobody" }, 404, /^No such container: nobody$/],
    ["POST /networks/create", { Name: "n", Driver: "warp" }, 404, /warp/],
    ["POST /networks/create", { Name: "n", IPAM: { Driver: "warp" } }, 404, /warp/],
    ["GET /containers/nobody/json", undefined, 404, /^No such container: nobody$/],
    ["POST /containers/nobody/start", undefined, 404, /^No such container: nobody$/],
    ["DELETE /containers/nobody", undefined, 404, /^No such container: nobody$/],
    ["POST /containers/create", { Image: "nothing:here" }, 404, /^No such image: nothing:here$/],
    ["GET /images/nothing/json", undefined, 404, /^No such image: nothing:latest$/],
    ["DELETE /images/nothing", undefined, 404, /^No such image: nothing:latest$/],
    ["GET /exec/none/json", undefined, 404, /^No such exec instance: none$/],
    ["GET /volumes/none", undefined, 404, /get none: no such volume/],
    ["GET /no/such/page", undefined, 404, /^page not found$/],
    [
      "POST /v1.10/containers/create",
      { Image: "busybox" },
      400,
      /^client version 1\.10 is too old\. Minimum supported API version is/,
    ],
    [
      "GET /v1.99/info",
      undefined,
      400,
      /^client version 1\.99 is too new\. Maximum supported API version is/,
    ],
  ];
  test.each(rows)("%s %j", async (...row) => check(row));
});

describe("what is malformed", () => {
  const rows: Row[] = [
    ["POST /containers/create", "{", 400, /./],
    ["POST /containers/create", '{"Image":"busybox"} more', 400, /unexpected content after JSON/],
    ["POST /containers/create", "", 400, /./],
    ["POST /containers/create", { Image: 7 }, 400, /./],
    [
      "POST /containers/create?name=a%20b",
      { Image: "busybox" },
      400,
      /^Invalid container name \(a b\), only \[a-zA-Z0-9]\[a-zA-Z0-9_\.-] are allowed$/,
    ],
    ["POST /containers/create", { Image: "UPPER" }, 400, /invalid reference format/],
    [
      "POST /containers/create",
      { Image: "busybox", HostConfig: { PortBindings: { "80/warp": [{}] } } },
      400,
      /80\/warp|invalid/i,
    ],
    [
      "POST /containers/create",
      { Image: "busybox", HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "99999" }] } } },
      400,
      /99999/,
    ],
    [
      "POST /containers/create",
      { Image: "busybox", HostConfig: { NetworkMode: "container:nobody" } },
      404,
      /No such container: nobody/,
    ],
    [
      "POST /containers/create",
      { Image: "busybox", HostConfig: { Memory: 1000 } },
      400,
      /Minimum memory limit allowed is 6MB/,
    ],
    [
      "POST /containers/create",
      { Image: "busybox", HostConfig: { RestartPolicy: { Name: "sometimes" } } },
      400,
      /restart policy/,
    ],
    [
      "POST /containers/create",
      { Image: "busybox", HostConfig: { AutoRemove: true, RestartPolicy: { Name: "always" } } },
      400,
      /can't create 'AutoRemove' container with restart policy/,
    ],
    [
      "POST /containers/create",
      { Image: "busybox", HostConfig: { Binds: ["/a:b"] } },
      400,
      /invalid mount path: 'b'/,
    ],
    ...(
      [
        ["com.docker.network.endpoint.sysctls", "net.ipv4.ip_forward=1"],
        ["com.docker.network.endpoint.ifname", "a/b"],
        ["tsdocker.host_interface_name", "much-too-long-for-linux"],
        ["tsdocker.no_such_option", "1"],
      ] as const
    ).map(
      ([key, value]) =>
        [
          "POST /containers/create",
          {
            Image: "busybox",
            NetworkingConfig: { EndpointsConfig: { bridge: { DriverOpts: { [key]: value } } } },
          },
          400,
          new RegExp(key.replaceAll(".", "\\.")),
        ] as const,
    ),
    ["POST /containers/create", { Image: "busybox", HostConfig: { CapAdd: ["FLY"] } }, 400, /FLY/],
    ["POST /containers/create", { Image: "busybox", StopSignal: "WAVE" }, 400, /WAVE/],
    ["GET /containers/json?filters={", undefined, 400, /./],
    ["POST /networks/create", {}, 400, /./],
    ["POST /networks/create", { Name: "a b" }, 400, /invalid|name/i],
    [
      "POST /networks/create",
      { Name: "n", IPAM: { Config: [{ Subnet: "10.0.0.0" }] } },
      400,
      /invalid.*10\.0\.0\.0/,
    ],
    [
      "POST /networks/create",
      { Name: "n", IPAM: { Config: [{ Subnet: "10.0.0.1/24" }] } },
      400,
      /10\.0\.0\.1\/24/,
    ],
    [
      "POST /networks/create",
      { Name: "n", IPAM: { Config: [{ Subnet: "10.0.0.0/24", Gateway: "10.1.0.1" }] } },
      400,
      /10\.1\.0\.1/,
    ],
    [
      "POST /networks/create",
      { Name: "n", IPAM: { Config: [{ Subnet: "10.0.0.0/24", IPRange: "10.1.0.0/25" }] } },
      400,
      /10\.1\.0\.0\/25/,
    ],
    [
      "POST /networks/create",
      { Name: "n", Options: { "com.docker.network.driver.mtu": "wide" } },
      400,
      /wide|mtu/,
    ],
  ];
  test.each(rows)("%s %j", async (...row) => check(row));
});

describe("what is taken", () => {
  test("a subnet, by another network or by the host", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n1");
    await check([
      "POST /networks/create",
      { Name: "n2", IPAM: { Config: [{ Subnet: "198.51.100.128/25" }] } },
      403,
      /Pool overlaps with other one on this address space/,
    ]);
    await check(["POST /networks/create", { Name: "n1" }, 409, /^network with name n1 already exists$/]);
  });

  test("a container's name", async () => {
    const id = await ok("create", "--name", "taken", "busybox");
    await check([
      "POST /containers/create?name=taken",
      { Image: "busybox" },
      409,
      new RegExp(
        `^Conflict\\. The container name "/taken" is already in use by container "?${id}"?\\. You have to remove \\(or rename\\) that container to be able to reuse that name\\.$`,
      ),
    ]);
  });

  test("an address", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n");
    await ok("run", "-d", "--network", "n", "--ip", "198.51.100.9", "busybox", "sleep", "100");
    const late = await docker("run", "--network", "n", "--ip", "198.51.100.9", "busybox", "true");
    expect(late.code).toBe(125);
    expect(late.stderr).toMatch(/Address already in use/);
    const outside = await docker("run", "--network", "n", "--ip", "203.0.113.9", "busybox", "true");
    expect(outside.stderr).toMatch(/no configured subnet.* contain.* 203\.0\.113\.9/);
  });

  test("a host port, by a container or by somebody else", async () => {
    await ok("run", "-d", "--name", "first", "-p", "8080:80", "busybox", "sleep", "100");
    const late = await docker("run", "-p", "8080:80", "busybox", "true");
    expect(late.code).toBe(125);
    expect(late.stderr).toMatch(/Bind for (0\.0\.0\.0|:::|\[::]):8080 failed: port is already allocated/);
    // said once
    expect(late.stderr).not.toContain("Error waiting for container");
    await ok("rm", "-f", "first");
    await using _ = await site().host.listen("0.0.0.0", 8080);
    const foreign = await docker("run", "-p", "8080:80", "busybox", "true");
    expect(foreign.code).toBe(125);
    expect(foreign.stderr).toMatch(/address already in use/);
  });

  test("a network that has containers", async () => {
    const id = await ok("network", "create", "n");
    await ok("run", "-d", "--name", "cc", "--network", "n", "busybox", "sleep", "100");
    await check([
      "DELETE /networks/n",
      undefined,
      403,
      new RegExp(`network n.* has active endpoints|${id}.* has active endpoints`),
    ]);
    await check([
      "DELETE /networks/bridge",
      undefined,
      403,
      /^bridge is a pre-defined network and cannot be removed$/,
    ]);
    await check([
      "POST /networks/create",
      { Name: "host" },
      403,
      /operation is not permitted on predefined host network|host/,
    ]);
  });

  test("a connection that is there already, or never was", async () => {
    await ok("network", "create", "n");
    await ok("run", "-d", "--name", "cc", "busybox", "sleep", "100");
    await check([
      "POST /networks/bridge/connect",
      { Container: "cc" },
      403,
      /endpoint with name cc already exists in network bridge/,
    ]);
    await check([
      "POST /networks/n/disconnect",
      { Container: "cc" },
      500,
      /is not connected to (the )?network n/,
    ]);
    await check([
      "POST /networks/host/connect",
      { Container: "cc" },
      403,
      /cannot connect container to host network/,
    ]);
  });
});

describe("what can only fail at start", () => {
  const create = (body: object) =>
    daemon().ask("POST", "/containers/create?name=cc", { Image: "busybox", Cmd: ["true"], ...body });
  const start = () => daemon().api("POST", "/containers/cc/start");

  test("a command that does not exist", async () => {
    await create({ Cmd: ["no-such-command"] });
    const { status, body } = await start();
    expect(status).toBe(400);
    expect(body.message).toMatch(/exec: "no-such-command": executable file not found in \$PATH/);
  });

  test("a network that does not exist", async () => {
    await create({ HostConfig: { NetworkMode: "nowhere" } });
    const { status, body } = await start();
    expect(status).toBe(404);
    expect(body.message).toBe("failed to set up container networking: network nowhere not found");
  });

  test("a sysctl that the kernel refuses", async () => {
    await create({ HostConfig: { Sysctls: { "net.ipv4.no_such_thing": "1" } } });
    const { status, body } = await start();
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.message).toMatch(/no_such_thing/);
  });

  test("twenty that fail side by side", async () => {
    const ran = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        docker("run", "--rm", "-p", `${9000 + index}:80`, "busybox", "no-such-command"),
      ),
    );
    expect(new Set(ran.map(({ code }) => code))).toEqual(new Set([127]));
    expect(await ok("ps", "-aq")).toBe("");
  });
});

describe("flags that the clients refuse themselves", () => {
  const rows = [["run", "--no-such-flag", "busybox"], ["run", "-p", "eighty", "busybox"], ["run"]];
  test.each(["docker", "tsdocker"] as const)("%s", async (client) => {
    for (const args of rows) {
      const { code, stdout } = await daemon().client(client, args);
      expect({ code, stdout }, args.join(" ")).toEqual({
        code: expect.toSatisfy((it) => it === 125 || it === 1),
        stdout: "",
      });
    }
  });
});
