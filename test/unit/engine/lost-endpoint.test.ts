// A container whose endpoint cannot stay gets another one.

import { expect, test } from "vitest";
import type { Container } from "../../../src/engine/container.ts";
import { Events } from "../../../src/engine/events.ts";
import { replaceEndpoint } from "../../../src/engine/lost-endpoint.ts";
import type { EngineContext } from "../../../src/engine/parts.ts";
import { KeyedLock } from "../../../src/util/keyed-lock.ts";
import { silentLog } from "../../../src/util/log.ts";
import { containerSpec } from "../api/fake-engine.ts";

const loss = {
  ...{ networkId: "n1", networkName: "blue", endpointId: "e1", containerId: "c1" },
  reason: "10.0.0.2 is another's now",
};

const endpoint = {
  network: "blue",
  linkLocal: [],
  aliases: ["db"],
  links: [],
  driverOptions: {},
  gatewayPriority: 0,
};

/** An engine with the container `c1` on `blue`, and what is done to it. */
function engineWith(options: { readonly networks?: readonly string[]; readonly fails?: boolean } = {}) {
  const done: string[] = [];
  const failures: string[] = [];
  const sandbox = {
    disconnect: async (network: string) => void done.push(`disconnect ${network}`),
    connect: async ({ network, aliases }: typeof endpoint) => {
      if (options.fails) throw new Error("no address is free");
      done.push(`connect ${network} as ${aliases}`);
    },
  };
  const container = {
    id: "c1",
    name: "c1",
    running: { sandbox },
    record: { spec: containerSpec({ endpoints: [endpoint] }) },
  };
  const events = new Events();
  const networks = (options.networks ?? ["n1"]).map((id) => ({
    id,
    name: "blue",
    record: { driver: "overlay" },
  }));
  const context = {
    events,
    locks: new KeyedLock(),
    registry: { all: () => [container as unknown as Container] },
    controller: { networks: () => networks },
    log: { ...silentLog, error: (fields: { reason: string }) => void failures.push(fields.reason) },
  } as unknown as EngineContext;
  const ended = new AbortController();
  const heard = events.subscribe({ filters: new Map() }, ended.signal);
  const told = async () => {
    ended.abort();
    const actions: string[] = [];
    for await (const { action } of heard) actions.push(action);
    return actions;
  };
  return { context, done, failures, told };
}

test("on the same network, by the names that it had, and both is told", async () => {
  const { context, done, failures, told } = engineWith();
  await replaceEndpoint(context, loss);
  expect(done).toEqual(["disconnect n1", "connect n1 as db"]);
  expect(failures).toEqual(["10.0.0.2 is another's now"]);
  expect(await told()).toEqual(["disconnect", "connect"]);
});

test("or none, where the network is no more", async () => {
  const { context, done } = engineWith({ networks: [] });
  await replaceEndpoint(context, loss);
  expect(done).toEqual(["disconnect n1"]);
});

test("or none when there is none to be had, which is logged", async () => {
  const { context, done, failures } = engineWith({ fails: true });
  await replaceEndpoint(context, loss);
  expect(done).toEqual(["disconnect n1"]);
  expect(failures).toEqual(["10.0.0.2 is another's now", "no address is free"]);
});

test("and one that is gone needs nothing", async () => {
  const { context, done } = engineWith();
  await replaceEndpoint(context, { ...loss, containerId: "c9" });
  expect(done).toEqual([]);
});
