// port add, port rm: publish and unpublish ports of a container that is there already.

import { containerPath } from "../../client/paths.ts";
import { compareNatural } from "../../format/natural.ts";
import { type Ports, portLines } from "../../format/ports.ts";
import { parsePorts } from "../../options/ports.ts";
import type { Session } from "../../session.ts";

/**
 * `add` or `rm`, a container and at least one port; fewer ask for the ports of a container of that name, as in Docker.
 * @throws for what can be neither: a container where a port would have to be
 */
export function isPortChange(args: readonly string[]): boolean {
  const [action, name = "", ...ports] = args;
  if (action !== "add" && action !== "rm") return false;
  if (ports.length === 0 && /^[^\d]/.test(name))
    throw new Error(`'tsdocker port ${action}' requires a container and at least one port`);
  return ports.length > 0;
}

/** `add CONTAINER PORT…` shows where those ports are published now; `rm CONTAINER PORT…` says nothing. */
export async function changePorts(session: Session, args: readonly string[]): Promise<void> {
  const [action, name = "", ...specs] = args;
  const { bindings } = parsePorts(specs, []);
  const json = action === "add" ? { Add: bindings } : { Remove: bindings };
  const { Ports } = await session.client.post<{ Ports: Ports }>(containerPath(name, "/ports"), { json });
  if (action !== "add") return;
  const added = Object.fromEntries(Object.entries(Ports).filter(([port]) => port in bindings));
  const lines = portLines(added).toSorted(compareNatural);
  if (lines.length > 0) session.out.line(lines.join("\n"));
}
