// What a container takes from its image.

import { expect, test } from "vitest";
import { commandOf, mergeEnv, withImageDefaults } from "../../../src/engine/image-defaults.ts";
import type { ContainerSpec } from "../../../src/engine/types.ts";

const plain: ContainerSpec = {
  image: "x",
  labels: {},
  annotations: {},
  resources: {},
  restartPolicy: { name: "no", maximumRetryCount: 0 },
  autoRemove: false,
  log: { options: {} },
  given: { config: {}, hostConfig: {} },
  env: [],
  tty: false,
  openStdin: false,
  stdinOnce: false,
  attachStdin: false,
  attachStdout: false,
  attachStderr: false,
  networkDisabled: false,
  networkMode: { kind: "default" },
  endpoints: [],
  exposedPorts: [],
  portBindings: [],
  publishAllPorts: false,
  dns: [],
  dnsSearch: [],
  dnsOptions: [],
  extraHosts: [],
  links: [],
  sysctls: {},
  mounts: [],
  volumesFrom: [],
  storageOptions: {},
  readonlyRootfs: false,
  privileged: false,
  capAdd: [],
  capDrop: [],
  securityOptions: [],
  groupAdd: [],
};

test.each([
  ["the image's entrypoint and command", {}, ["/entry", "a", "b"]],
  ["a command replaces the image's", { command: ["c"] }, ["/entry", "c"]],
  ["an entrypoint takes the image's command away", { entrypoint: ["/mine"] }, ["/mine"]],
  ["both replace both", { entrypoint: ["/mine"], command: ["c"] }, ["/mine", "c"]],
  ["an empty entrypoint leaves the command alone", { entrypoint: [], command: ["c"] }, ["c"]],
  ["an empty entrypoint alone leaves the image's command", { entrypoint: [] }, ["a", "b"]],
])("%s", (_title, asked, expected) => {
  const spec = withImageDefaults({ ...plain, ...asked }, { Entrypoint: ["/entry"], Cmd: ["a", "b"] });
  const { path, args } = commandOf(spec);
  expect([path, ...args]).toEqual(expected);
});

test("nothing to run is refused", () => {
  expect(() => commandOf(withImageDefaults(plain, {}))).toThrow("no command specified");
});

test("variables replace by name, a bare name as well", () => {
  expect(mergeEnv(["A=1", "B=2", "C=3"], ["B=two", "C", "D=4"])).toEqual(["B=two", "C", "D=4", "A=1"]);
});

test("ports, labels, user, folder and stop signal come from the image unless given", () => {
  const image = {
    ExposedPorts: { "80/tcp": {}, "53/udp": {} },
    Labels: { a: "image", b: "image" },
    User: "web",
    WorkingDir: "/srv",
    StopSignal: "SIGQUIT",
  };
  const spec = withImageDefaults(
    { ...plain, labels: { b: "mine" }, exposedPorts: [{ protocol: "tcp", range: { first: 80, last: 80 } }] },
    image,
  );
  expect(spec.exposedPorts).toHaveLength(2);
  expect(spec.labels).toEqual({ a: "image", b: "mine" });
  expect(spec).toMatchObject({ user: "web", workingDir: "/srv", stopSignal: "SIGQUIT" });
  expect(withImageDefaults({ ...plain, user: "root" }, image).user).toBe("root");
});

test("an image's volumes become anonymous ones unless something is mounted there", () => {
  const image = { Volumes: { "/data": {}, "/cache/": {} } };
  const bind = {
    kind: "bind" as const,
    source: "/x",
    target: "/cache",
    readOnly: false,
    createSource: false,
    nonRecursive: false,
  };
  const spec = withImageDefaults({ ...plain, mounts: [bind] }, image);
  expect(spec.mounts.map(({ target }) => target)).toEqual(["/cache", "/data"]);
});

test("a health check is merged field by field, and NONE switches the image's off", () => {
  const image = { Healthcheck: { Test: ["CMD", "probe"], Interval: 5e9, Retries: 2 } };
  expect(
    withImageDefaults({ ...plain, healthcheck: { test: [], intervalMs: 1000 } }, image).healthcheck,
  ).toEqual({
    test: ["CMD", "probe"],
    intervalMs: 1000,
    retries: 2,
  });
  expect(withImageDefaults({ ...plain, healthcheck: { test: ["NONE"] } }, image).healthcheck).toEqual({
    test: ["NONE"],
  });
});
