// Managed plugins. Names may hold slashes, so what follows them is found at the path's end.

import type { Engine, PluginPullRequest } from "../../engine/types.ts";
import { invalid, notFound } from "../../util/errors.ts";
import type { Call } from "../call.ts";
import { anyValue, booleanValue, type KnownFilters, readFilters } from "../filters.ts";
import { readRegistryAuth } from "../images/auth.ts";
import { sendProgress } from "../images/progress.ts";
import { type Answer, done, get, noContent, ok, post, type Route, remove } from "../route.ts";
import { pluginPrivileges, pluginSettings } from "../schemas/plugin.ts";
import { defined } from "../text.ts";

const listFilters: KnownFilters = { capability: anyValue, enabled: booleanValue };

export const pluginRoutes = ({ plugins }: Engine): readonly Route[] => [
  get("/plugins", (call) => ok(plugins.list(readFilters(call.query, listFilters)))),
  get("/plugins/privileges", async (call) =>
    ok(await plugins.privileges(needed(call, "remote"), authOf(call), call.signal)),
  ),
  post("/plugins/pull", async (call) => {
    const asked = { ...(await pullRequest(call)), ...defined({ name: call.query.text("name") }) };
    const { name, progress } = plugins.pull(asked, call.signal);
    // what the CLI goes on with: it may have left the name, or the tag, to us
    return sendProgress(call, progress, { "Docker-Plugin-Name": name });
  }),
  post("/plugins/create", async (call) => {
    await plugins.create(needed(call, "name"), call.body);
    return noContent;
  }),
  get("/plugins/*", (call) => serveNamed(call, { json: (name) => ok(plugins.inspect(name)) })),
  remove("/plugins/*", async (call) => {
    await plugins.remove(call.parameter("*"), { force: call.query.flag("force") });
    return done;
  }),
  post("/plugins/*", (call) =>
    serveNamed(call, {
      async enable(name) {
        await plugins.enable(name, { timeoutS: Math.max(0, call.query.integer("timeout") ?? 0) });
        return done;
      },
      async disable(name) {
        await plugins.disable(name, { force: call.query.flag("force") });
        return done;
      },
      async set(name) {
        await plugins.set(name, (await call.json(pluginSettings)) ?? []);
        return noContent;
      },
      upgrade: async (name) =>
        sendProgress(call, plugins.upgrade(name, await pullRequest(call), call.signal)),
      push: (name) => sendProgress(call, plugins.push(name, authOf(call), call.signal)),
    }),
  ),
];

type NamedHandle = (name: string) => Promise<Answer> | Answer;

/** Splits `vendor/name:latest/enable` into a name and what is asked of it. */
function serveNamed(call: Call, handles: Readonly<Record<string, NamedHandle>>): Promise<Answer> | Answer {
  const path = call.parameter("*");
  const slash = path.lastIndexOf("/");
  const word = path.slice(slash + 1);
  const handle = Object.hasOwn(handles, word) ? handles[word] : undefined;
  if (slash <= 0 || !handle) throw notFound("page not found");
  return handle(path.slice(0, slash));
}

async function pullRequest(call: Call): Promise<PluginPullRequest> {
  const privileges = (await call.json(pluginPrivileges)) ?? [];
  return {
    remote: needed(call, "remote"),
    privileges: privileges.map(({ Name = "", Description = "", Value = [] }) => ({
      Name,
      Description,
      Value,
    })),
    ...defined({ auth: authOf(call) }),
  };
}

const authOf = (call: Call) => readRegistryAuth(call.header("x-registry-auth"));

function needed({ query }: Call, name: string): string {
  const text = query.text(name);
  if (text === undefined) throw invalid(`invalid reference format: ${name} is empty`);
  return text;
}
