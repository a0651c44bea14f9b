// cp: files and folders between a container and here, by the archive endpoints.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs, type Invocation } from "../../command.ts";
import { type CopyReport, copyIn, copyOut } from "../../copy/copy.ts";
import { bool } from "../../flags/spec.ts";
import { humanSize } from "../../format/units.ts";

export const cp: CommandSpec = {
  usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\ttsdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
  long: `Copy files/folders between a container and the local filesystem

Use '-' as the source to read a tar archive from stdin
and extract it to a directory destination in a container.
Use '-' as the destination to stream a tar archive of a
container source to stdout.`,
  aliases: ["tsdocker container cp", "tsdocker cp"],
  args: exactArgs(2),
  flags: [
    bool("follow-link", "Always follow symbol link in SRC_PATH", { short: "L" }),
    bool("archive", "Archive mode (copy all uid/gid information)", { short: "a" }),
    bool(
      "quiet",
      "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached",
      { short: "q" },
    ),
  ],
  run: runCp,
};

async function runCp({ session, flags, args }: Invocation): Promise<void> {
  const [source = "", destination = ""] = args;
  if (source === "") throw new Error("source can not be empty");
  if (destination === "") throw new Error("destination can not be empty");
  const from = splitPlace(source);
  const to = splitPlace(destination);
  if (from.container && to.container) throw new Error("copying between containers is not supported");
  const options = { followLink: flags.bool("follow-link"), keepOwners: flags.bool("archive") };
  const quiet = flags.changed("quiet") ? flags.bool("quiet") : !session.out.isTerminal;
  const tell = (report: CopyReport | undefined) => {
    if (report && !quiet)
      session.err.line("Successfully copied", humanSize(report.bytes, 3), "to", report.place);
  };
  const archive = (container: string) => containerPath(container, "/archive");
  if (from.container) {
    tell(
      await copyOut(session, { archive: archive(from.container), from: from.path, to: to.path, ...options }),
    );
  } else if (to.container) {
    const { container, path } = to;
    tell(
      await copyIn(session, {
        archive: archive(container),
        container,
        from: from.path,
        to: path,
        ...options,
      }),
    );
  } else throw new Error("must specify at least one container source");
}

/** `container:path`, or a path here: one that begins with / or . or has no colon. */
function splitPlace(text: string): { container: string; path: string } {
  const colon = text.indexOf(":");
  if (text.startsWith("/") || colon < 0 || text.startsWith(".")) return { container: "", path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}
