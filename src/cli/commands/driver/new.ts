// driver new.

import { join, resolve } from "node:path";
import { type CommandSpec, exactArgs } from "../../command.ts";
import { StatusError } from "../../errors.ts";
import { bool, text } from "../../flags/spec.ts";
import { newerNode } from "./newer-node.ts";
import { scaffold } from "./scaffold.ts";

export const newDriver: CommandSpec = {
  usage: "[OPTIONS] NAME",
  long: `Make a folder with a driver that works, to be changed into yours

The driver is loaded into the daemon ("tsdockerd --driver NAME=FOLDER"), or, with
--remote, a program of its own on a socket, a plugin for dockerd too. What is there
is never overwritten.`,
  args: exactArgs(1),
  flags: [
    text("kind", 'What it is a driver of ("network", "ipam")', { shownInitial: '"network"' }),
    bool("remote", "A plugin behind a socket"),
    text("folder", "Folder to make", { shownInitial: "NAME" }),
  ],
  async run({ session, flags, args: [name = ""] }) {
    const kind = flags.string("kind") || "network";
    if (kind !== "network" && kind !== "ipam")
      throw new StatusError(125, `--kind: ${JSON.stringify(kind)} is neither network nor ipam`);
    const isRemote = flags.bool("remote");
    const folder = resolve(flags.string("folder") || name);
    const { files, sdk, sdkIsBuilt } = scaffold({ name, kind, isRemote, folder });
    for (const file of files) session.out.line(join(folder, file));
    const start = isRemote ? "npm start" : `tsdockerd --driver ${name}=${join(folder, "index.ts")}`;
    const steps = [
      `cd ${folder}`,
      ...newerNode(session.env),
      "npm install",
      "npm test",
      `${start}   # as root`,
    ];
    session.out.write(`\nNext:\n${steps.map((step) => `  ${step}\n`).join("")}`);
    session.out.line("README.md says more.");
    if (!sdkIsBuilt)
      session.err.line(`WARNING: ${sdk} is not there yet: "npm run driver-sdk" in tsdocker makes it`);
  },
};
