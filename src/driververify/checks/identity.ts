// Who a driver is, and what it says that it can do.

import { type Check, must } from "../check.ts";
import { member, type NetworkFacts, restart } from "../network-needs.ts";
import type { Scene } from "../scene.ts";
import { show } from "../show.ts";

const scopes: readonly unknown[] = ["local", "global"];

export const identityChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "identity/name",
    rule: "A driver has a name that can stand on a command line.",
    where: "NetworkDriver.name",
    run({ driver: { name } }) {
      must(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name), "letters, digits, _, . and -", show(name));
    },
  },
  {
    id: "identity/name-stays",
    rule: "A driver has the same name as long as it lives.",
    where: "NetworkDriver.name",
    async run(scene) {
      const { name } = scene.driver;
      await scene.madeNetwork();
      must(scene.driver.name === name, name, () => scene.driver.name);
    },
  },
  {
    id: "identity/scope",
    rule: "The scope is local or global.",
    where: "Capabilities.scope",
    run({ driver: { capabilities } }) {
      must(scopes.includes(capabilities.scope), '"local" or "global"', show(capabilities.scope));
    },
  },
  {
    id: "identity/connectivity-scope",
    rule: "The scope of connectivity is local or global.",
    where: "Capabilities.connectivityScope",
    run({ driver: { capabilities } }) {
      const { connectivityScope } = capabilities;
      must(scopes.includes(connectivityScope), '"local" or "global"', show(connectivityScope));
    },
  },
  {
    id: "identity/scopes-fit",
    rule: "Endpoints of a network that exists on every host are reached from every host.",
    where: "Capabilities.connectivityScope",
    run({ driver: { capabilities } }) {
      const { scope, connectivityScope } = capabilities;
      must(scope === "local" || connectivityScope === "global", "global", show(connectivityScope));
    },
  },
  {
    id: "identity/replay",
    rule: "A driver says whether it wants to be told again what is on record.",
    where: "Capabilities.replay",
    run({ driver: { capabilities } }) {
      must(typeof capabilities.replay === "boolean", "true or false", show(capabilities.replay));
    },
  },
  {
    id: "identity/predefined",
    rule: "That there is one network only is said with true, false or not at all.",
    where: "Capabilities.predefinedOnly",
    run({ driver: { capabilities } }) {
      const { predefinedOnly } = capabilities;
      const isRight = predefinedOnly === undefined || typeof predefinedOnly === "boolean";
      must(isRight, "true, false or undefined", show(predefinedOnly));
    },
  },
  {
    id: "identity/capabilities-stay",
    rule: "What a driver can do does not change while it lives.",
    where: "NetworkDriver.capabilities",
    async run(scene) {
      const before = show(scene.driver.capabilities);
      await scene.madeNetwork();
      must(show(scene.driver.capabilities) === before, before, () => show(scene.driver.capabilities));
    },
  },
  {
    id: "identity/methods",
    rule: "The six methods that every driver has are there.",
    where: "NetworkDriver.createNetwork",
    run({ driver }) {
      const names = [
        "createNetwork",
        "deleteNetwork",
        "createEndpoint",
        "deleteEndpoint",
        "join",
        "leave",
      ] as const;
      const missing = names.filter((name) => typeof driver[name] !== "function");
      must(missing.length === 0, "all of them", () => `no ${missing.join(", ")}`);
    },
  },
  {
    id: "identity/options",
    rule: "Network options that a driver names of its own begin with tsdocker.",
    where: "NetworkDriver.networkOptions",
    needs: [member("networkOptions")],
    run(scene) {
      const options = scene.method("networkOptions");
      const strays = [...options].filter((name) => !name.startsWith("tsdocker."));
      must(strays.length === 0, "tsdocker.…", () => strays.join(", "));
    },
  },
  {
    id: "identity/no-effect",
    rule: "Making a driver changes nothing on the host.",
    where: "NetworkDriverFactory",
    needs: [restart],
    hint: "wait for the first network before anything is made",
    async run(scene) {
      await scene.stage.restart(async () => undefined);
      await scene.mustBeClean();
    },
  },
];
