// Logs, attach, events, wait: what comes in pieces.

import { filters, step } from "../step.ts";

const upgrade = { Connection: "Upgrade", Upgrade: "tcp" };
// when a word has arrived the next one is asked for: they come by two streams
const onceAsked = "until [ $asked ]; do sleep 0.1; done; asked=";
const says = `trap asked=1 USR1; echo one; ${onceAsked}; echo two >&2; ${onceAsked}; echo three`;
const logs = (name: string, query: string, until?: RegExp) =>
  step(`GET /containers/${name}/logs?${query}`, undefined, { ...(until && { until }) });

export const streamSteps = [
  step("POST /containers/create?name=says", {
    Image: "busybox",
    Cmd: ["sh", "-c", says],
    Labels: { kind: "s" },
  }),
  step("POST /containers/says/attach?stdout=1"),
  step("POST /containers/says/attach?logs=1&stdout=1&stderr=1"),
  step("POST /containers/says/attach?stream=1&stdout=1&detachKeys=nope"),
  step("POST /containers/says/start"),
  logs("says", "stdout=1&stderr=1", /one/),
  step("POST /containers/says/kill?signal=USR1"),
  logs("says", "stdout=1&stderr=1", /two/),
  step("POST /containers/says/kill?signal=USR1"),
  step("POST /containers/says/wait"),
  logs("says", "stdout=1&stderr=1"),
  logs("says", "stdout=1"),
  logs("says", "stderr=1"),
  logs("says", "stdout=1&stderr=1&tail=1"),
  logs("says", "stdout=1&stderr=1&tail=0"),
  logs("says", "stdout=1&stderr=1&tail=-1"),
  logs("says", "stdout=1&stderr=1&tail=all"),
  logs("says", "stdout=1&tail=x"),
  logs("says", "stdout=1&timestamps=1"),
  logs("says", "stdout=1&details=1"),
  logs("says", "stdout=1&follow=1"),
  logs("says", "stdout=1&since=9999999999"),
  logs("says", "stdout=1&until=1"),
  logs("says", "stdout=1&since=x"),
  logs("says", "stdout=0&stderr=0"),
  step("POST /containers/says/attach?logs=1&stdout=1&stderr=1"),
  step("POST /containers/says/attach?logs=1&stdout=1&stderr=1", undefined, { headers: upgrade }),
  step(`GET /events?since=1&until={soon}&${filters({ container: ["says"] })}`),
  step("DELETE /containers/says"),
  step("POST /containers/create?name=tty", {
    Image: "busybox",
    Tty: true,
    Cmd: ["sh", "-c", "echo one; echo two >&2; echo three"],
  }),
  step("POST /containers/tty/start"),
  step("POST /containers/tty/wait"),
  logs("tty", "stdout=1&stderr=1"),
  logs("tty", "stdout=1&stderr=1&timestamps=1&tail=2"),
  step("POST /containers/tty/attach?logs=1&stdout=1", undefined, { headers: upgrade }),
  step("DELETE /containers/tty"),
  step("POST /containers/create?name=mute", {
    Image: "busybox",
    Cmd: ["echo", "x"],
    HostConfig: { LogConfig: { Type: "none" } },
  }),
  step("POST /containers/mute/start"),
  step("POST /containers/mute/wait"),
  logs("mute", "stdout=1"),
  step("DELETE /containers/mute"),
];
