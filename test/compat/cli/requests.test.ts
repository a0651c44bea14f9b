// The same flags through Docker's client and ours on an engine that only listens: the requests are the same.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeEngine } from "../../unit/cli/fake-engine.ts";
import { missingPeers, runProcess } from "./docker-daemon.ts";

const missing = await missingPeers({ daemon: false });
if (missing) console.warn(`skipped: ${missing}`);

let engine: FakeEngine;
beforeAll(async () => {
  engine = await FakeEngine.create();
  const id = "ab".repeat(32);
  engine.json("POST /containers/create", { Id: id, Warnings: [] }, 201);
  engine.json("POST /networks/create", { Id: id, Warning: "" }, 201);
  engine.json("POST /volumes/create", { Name: "v" }, 201);
  for (const path of ["/networks/x1/connect", "/networks/x1/disconnect", "/containers/c1/update"]) {
    engine.json(`POST ${path}`, {});
  }
});
afterAll(() => engine?.[Symbol.asyncDispose]());

/** Go leaves zero fields out or writes them; either means the same. */
function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeros);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([key, field]) => [key, withoutZeros(field)] as const);
  const kept = Object.fromEntries(fields.filter(([, field]) => !isZero(field)));
  // Docker's client sends -e and -v in the order of a Go map, which is none.
  for (const key of ["Env", "Binds"]) if (Array.isArray(kept[key])) kept[key] = kept[key].toSorted();
  return kept;
}

function isZero(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return !value;
}

async function requests(run: () => Promise<{ stdout: string; stderr: string; exitCode: number }>) {
  const before = engine.asked.length;
  const { stdout, stderr, exitCode } = await run();
  const asked = engine.asked.slice(before).filter((one) => one.path !== "/_ping");
  return {
    stdout,
    stderr: stderr.replaceAll(/\btsdocker\b/g, "docker"),
    exitCode,
    asked: asked.map(({ method, path, query, body }) => ({
      method,
      path,
      query: [...query].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      body: body === "" ? undefined : withoutZeros(JSON.parse(body)),
    })),
  };
}

async function compare(args: readonly string[]): Promise<void> {
  const env = { DOCKER_HOST: engine.host, DOCKER_CONFIG: engine.folder, HOME: engine.folder };
  const theirs = await requests(() => runProcess("docker", args, env));
  const mine = await requests(() => engine.run(...args));
  expect(mine).toEqual(theirs);
}

describe.skipIf(missing !== undefined)("requests are Docker's", () => {
  it.each([
    "busybox",
    "--name n1 busybox ls -la /x",
    "-it busybox sh",
    "-i=true -t=false --rm=false busybox",
    "-p 8080:80 -p 127.0.0.1:53:53/udp -p [::1]:90:90 -p 8000-8002:8000-8002 -p 9000-9005:90/sctp -P --expose 70-72 busybox",
    "-p x:80 busybox",
    "-p 1-2:1-4 busybox",
    "-p 1.2.3:80:80 busybox",
    "--network n1 busybox",
    "--network n1 --ip 10.0.0.4 --ip6 2001:db8::5 --network-alias a --link c:d --mac-address 02:42:ac:11:00:02 busybox",
    "--network name=n1,alias=x,ip=10.0.0.2,driver-opt=a=b,gw-priority=5 --network name=n2,mac-address=02:42:ac:11:00:02 busybox",
    "--network n1 --network n1 busybox",
    "--network host --network n1 busybox",
    "--network name=n1,foo=bar busybox",
    "--network bridge --network-alias x busybox",
    "--network-alias x busybox",
    "--link a:b busybox",
    "--net container:abc busybox",
    "-v /a:/b -v vol:/c:ro -v /anon busybox",
    "--mount type=bind,src=/a,dst=/b,readonly --mount type=volume,source=v,target=/v,volume-nocopy,volume-opt=k=v busybox",
    "--mount type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1777 --tmpfs /run --tmpfs /tmp:size=64m busybox",
    "--mount foo busybox",
    "--mount type=tmpfs,dst=/a,volume-nocopy busybox",
    "-e A=b -e C= -e NOT_SET_ANYWHERE -e A=last -l a=b -l c busybox",
    "-e =x busybox",
    "--env-file /nowhere busybox",
    "--ulimit nofile=10:20 --ulimit core=-1 busybox",
    "--ulimit nofile=20:10 busybox",
    "--device /dev/null --device /dev/zero:/dev/x --device /dev/full:/dev/y:r --device-cgroup-rule foo busybox",
    "--device /dev/null --device /dev/zero:/dev/x --device /dev/full:/dev/y:r busybox",
    "--device /a:/b:zz busybox",
    "--device-read-bps /dev/sda:1mb --device-write-iops /dev/sda:100 --blkio-weight-device /dev/sda:200 busybox",
    "--restart on-failure:3 busybox",
    "--restart always --rm busybox",
    "--health-cmd true --health-interval 5s --health-timeout 1m30s --health-retries 3 --health-start-period 1h busybox",
    "--no-healthcheck --health-cmd x busybox",
    "-m 64m --memory-swap -1 --memory-reservation 32M --shm-size 1gb --cpus 1.5 -c 5 --cpuset-cpus 0-1 --pids-limit 100 busybox",
    "-m 5x busybox",
    "--cpus 1.2345678901 busybox",
    "--add-host a:192.0.2.4 --add-host b=::1 --add-host c:host-gateway busybox",
    "--add-host x:y busybox",
    "--dns 192.0.2.1 --dns-search a.b --dns-opt x --dns-option y --sysctl net.ipv4.ip_forward=1 busybox",
    "--dns 127.0.0.1 busybox",
    "--sysctl vm.x=1 busybox",
    "--security-opt seccomp=unconfined --security-opt no-new-privileges --security-opt systempaths=unconfined busybox",
    "--security-opt foo busybox",
    "--privileged --cap-add a --cap-drop ALL --group-add g -u u:g -w /w -h host --entrypoint /e --init --read-only busybox",
    "--stop-signal INT --stop-timeout 5 --runtime r --ipc host --pid host --uts host --cgroupns private busybox",
    "--log-driver json-file --log-opt a=b --storage-opt size=5G --annotation a=b --platform linux/amd64 busybox",
    "--entrypoint= busybox",
    "--pid x busybox",
    "-a stdin -a STDOUT busybox",
    "-a foo busybox",
    "--pull foo busybox",
    "--nope busybox",
    "-Z busybox",
    "Busybox",
    "busybox:1.0 --rm -it",
    "-- busybox -x",
  ])("docker create %s", async (line) => {
    await compare(["create", ...line.split(" ")]);
  });

  it.each([
    "network create x1",
    "network create --subnet 10.0.0.0/24 --gateway 10.0.0.1 --ip-range 10.0.0.128/25 --aux-address a=10.0.0.5 -o k=v --label l=m --internal --attachable --ipv6 --ipv4=false x1",
    "network create --gateway 192.0.2.1 x1",
    "network create --subnet 10.0.0.0/24 --subnet 10.0.0.0/25 x1",
    "network create --subnet 10.0.0.0/24 --aux-address a=192.0.2.1 x1",
    "network create --config-only --scope local --ipam-driver null --ipam-opt k=v --config-from c x1",
    "network connect --ip 10.0.0.4 --ip6 2001:db8::5 --alias a,b --alias c --link x:y --driver-opt a=b --gw-priority -5 x1 c1",
    "network connect --driver-opt x x1 c1",
    "network disconnect -f x1 c1",
    "volume create",
    "volume create v -d d -o a=b --label x=y",
    "volume create --name v w",
    "update --memory 64m --cpus 2 --restart always --pids-limit 5 c1",
    "update c1",
  ])("docker %s", async (line) => {
    await compare(line.split(" "));
  });
});
