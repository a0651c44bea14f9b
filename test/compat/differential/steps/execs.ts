// Exec: create, start, inspect, resize.

import { step } from "../step.ts";

const sleeper = { Image: "busybox", Cmd: ["sleep", "1000"], StopSignal: "SIGKILL" };
const create = (body: object, save = "exec") =>
  step("POST /containers/exe/exec", { AttachStdout: true, AttachStderr: true, ...body }, { save });
const upgrade = { Connection: "Upgrade", Upgrade: "tcp" };
const ran = (body: object) => [
  create(body),
  step("GET /exec/{exec}/json"),
  step("POST /exec/{exec}/start", { Detach: false, Tty: "Tty" in body }),
  step("GET /exec/{exec}/json", undefined, { until: /"Running":false|No such/ }),
  step("POST /exec/{exec}/start", { Detach: false }),
];

export const execSteps = [
  step("GET /exec/nope/json"),
  step("POST /exec/nope/start", {}),
  step("POST /exec/nope/start"),
  step("POST /exec/nope/resize?h=1&w=1"),
  step("POST /containers/create?name=exe", sleeper),
  step("POST /containers/exe/exec", {}),
  step("POST /containers/exe/start"),
  step("POST /containers/exe/exec"),
  step("POST /containers/exe/exec", "{"),
  step("POST /containers/exe/exec", {}),
  step("POST /containers/exe/exec", { Cmd: [] }),
  step("POST /containers/exe/exec", { Cmd: 17 }),
  step("POST /containers/exe/exec", { Cmd: ["true"], DetachKeys: "nope" }),
  step("POST /containers/exe/exec", { Cmd: ["true"], User: "nope" }),
  ...ran({ Cmd: ["echo", "hello"] }),
  ...ran({ Cmd: ["sh", "-c", "echo out; echo err >&2; exit 5"] }),
  ...ran({ Cmd: ["sh", "-c", "echo $A; pwd; id -u"], Env: ["A=b"], WorkingDir: "/tmp", User: "7" }),
  ...ran({ Cmd: ["echo", "hello"], Tty: true }),
  ...ran({ Cmd: ["id"], Privileged: true, User: "1:2" }),
  ...ran({ Cmd: ["/no/such/program"] }),
  ...ran({ Cmd: ["no-such-program"] }),
  ...ran({ Cmd: ["/tmp"] }),
  ...ran({ Cmd: ["true"], User: "nope" }),
  ...ran({ Cmd: ["true"], WorkingDir: "/no/such/folder" }),
  ...ran({ Cmd: ["cat"], AttachStdin: false }),
  create({ Cmd: ["echo", "upgraded"] }),
  step("POST /exec/{exec}/start", {}, { headers: upgrade }),
  create({ Cmd: ["echo", "upgraded"], Tty: true }),
  step("POST /exec/{exec}/start", { Tty: true }, { headers: upgrade }),
  create({ Cmd: ["sleep", "1000"] }, "unstarted"),
  step("POST /exec/{unstarted}/resize?h=10&w=10", undefined, { slow: true }),
  create({ Cmd: ["sleep", "1000"] }),
  step("POST /exec/{exec}/start", "{"),
  step("POST /exec/{exec}/start", { Detach: true }),
  step("GET /exec/{exec}/json"),
  step("GET /containers/exe/json"),
  step("POST /exec/{exec}/start", { Detach: true }),
  step("POST /exec/{exec}/resize?h=10"),
  step("POST /exec/{exec}/resize?h=x&w=y"),
  create({ Cmd: ["/no/such/program"] }),
  step("POST /exec/{exec}/start", { Detach: true }),
  create({ Cmd: ["true"] }),
  step("POST /containers/exe/pause"),
  step("POST /exec/{exec}/start", { Detach: true }),
  step("POST /containers/exe/unpause"),
  step("POST /containers/exe/stop?t=0"),
  step("POST /exec/{exec}/start", { Detach: true }),
  step("GET /exec/{exec}/json"),
  step("POST /containers/exe/exec", { Cmd: ["true"] }),
  step("DELETE /containers/exe"),
  step("GET /exec/{exec}/json"),
];
