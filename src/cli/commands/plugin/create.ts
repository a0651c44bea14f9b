// plugin create.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { type CommandSpec, exactArgs } from "../../command.ts";
import { packPath } from "../../copy/archive.ts";
import { bool } from "../../flags/spec.ts";

export const create: CommandSpec = {
  usage: "[OPTIONS] PLUGIN PLUGIN-DATA-DIR",
  args: exactArgs(2),
  flags: [bool("compress", "Compress the context using gzip")],
  async run({ session, flags, args: [name = "", folder = ""] }) {
    for (const part of ["config.json", "rootfs"])
      if (!existsSync(join(folder, part)))
        throw new Error(`stat ${join(folder, part)}: no such file or directory`);
    if (!statSync(join(folder, "rootfs")).isDirectory()) throw new Error("rootfs is not a directory");
    const { body } = packPath(folder, { name: "", contents: true });
    await session.client.version(); // before the long body
    await session.client.send("POST", "/plugins/create", {
      query: { name },
      headers: { "Content-Type": "application/x-tar" },
      body: flags.bool("compress") ? Readable.from(body).pipe(createGzip()) : body,
    });
    session.out.line(name);
  },
};
