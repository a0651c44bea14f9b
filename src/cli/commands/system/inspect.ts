// inspect: of whatever has the name.

import { errorMessage } from "../../../util/errors.ts";
import { containerPath, imagePath, networkPath, volumePath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { ApiError, isNotFound } from "../../errors.ts";
import { quote } from "../../flags/numbers.ts";
import { bool, inspectFormatFlag, text } from "../../flags/spec.ts";
import type { Session } from "../../session.ts";
import { inspectAll } from "../inspect.ts";

export const inspect: CommandSpec = {
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  args: minArgs(1),
  flags: [
    inspectFormatFlag,
    text("type", "Only inspect objects of the given type"),
    bool("size", "Display total file sizes if the type is container", { short: "s" }),
  ],
  run: runInspect,
};

/** Docker's types, and where an object of each is found; those of swarm are asked for by --type alone. */
const types = "config container image network node plugin secret service task volume".split(" ");

interface Kind {
  readonly type: string;
  readonly path: (name: string) => string;
  readonly onlyByType?: boolean;
}

const kinds: readonly Kind[] = [
  { type: "container", path: (name) => containerPath(name, "/json") },
  { type: "image", path: (name) => imagePath(name, "/json") },
  { type: "network", path: (name) => networkPath(name) },
  { type: "volume", path: (name) => volumePath(name) },
  { type: "plugin", path: (name) => `/plugins/${encodeURI(name)}/json` },
  ...["service", "task", "node", "secret", "config"].map((type) => ({
    type,
    path: (name: string) => `/${type}s/${encodeURI(name)}`,
    onlyByType: true,
  })),
];

async function runInspect({ session, flags, args }: Invocation): Promise<void> {
  const type = flags.string("type");
  const known = `must be one of "${types.join('", "')}"`;
  if (flags.changed("type") && type === "") throw new Error(`type is empty: ${known}`);
  if (type !== "" && !types.includes(type)) throw new Error(`unknown type: ${quote(type)}: ${known}`);
  const size = flags.bool("size");
  await inspectAll(session, args, flags.string("format"), (name) => fetchAny(session, name, { type, size }));
}

async function fetchAny(
  session: Session,
  name: string,
  options: { type: string; size: boolean },
): Promise<string> {
  const { type, size } = options;
  for (const kind of kinds) {
    if (type === "" ? kind.onlyByType : kind.type !== type) continue;
    const isContainer = kind.type === "container";
    try {
      const json = await session.client.text("GET", kind.path(name), {
        query: { size: size && isContainer },
      });
      if (size && !isContainer) session.err.line(`WARNING: --size ignored for ${kind.type}`);
      return json;
    } catch (error) {
      if (type !== "" || !isSkippable(error)) throw error;
    }
  }
  throw new Error(`Error: No such object: ${name}`);
}

function isSkippable(error: unknown): boolean {
  if (isNotFound(error)) return true;
  if (error instanceof ApiError && error.status === 501) return true;
  return /not supported|invalid reference format/.test(errorMessage(error));
}
