// The link of an endpoint on a parent: made in the sandbox from its first moment, or on the host and moved there.

import type { Host, JoinRequest, JoinResponse, Parent, Request } from "../driverapi/index.ts";
import { conflict, hasCode, wrapError } from "../util/errors.ts";
import { Undo } from "../util/undo.ts";
import type { ChildEndpoint, ChildKind, ChildLinkSpec } from "./child-kind.ts";
import type { ChildNetworkConfig } from "./child-options.ts";
import { nameInside } from "./endpoint-options.ts";

interface LinkWish<C> {
  readonly request: JoinRequest;
  readonly config: C;
  readonly endpoint: ChildEndpoint;
  readonly parent: Parent;
}

/** Makes it, whole or not at all. @throws conflict in words for what the kernel calls busy or invalid */
export async function makeChildLink<C extends ChildNetworkConfig>(
  host: Host,
  kind: ChildKind<C>,
  { request, config, endpoint, parent }: LinkWish<C>,
): Promise<NonNullable<JoinResponse["link"]>> {
  const mac = endpoint.interface.macAddress;
  const common = {
    parent: parent.index,
    ...(config.mtu !== undefined && { mtu: config.mtu }),
    ...(mac && { mac }),
  };
  const prefix = config.interfacePrefix;
  const dstName = nameInside(endpoint.options.driverOpts, { prefix, suggested: request.suggestedName });
  const names = { dstPrefix: prefix, ...(dstName !== undefined && { dstName }) };
  const temporary = temporaryName(request.endpointId);
  try {
    if (kind.isMoved(config, endpoint)) {
      const alias = markOf(request.endpointId);
      await host.netlink.send(kind.createLink(host, config, { ...common, name: temporary, alias }));
      return { srcName: temporary, ...names };
    }
    const srcName = dstName ?? temporary;
    const make = (spec: ChildLinkSpec) => kind.createLink(host, config, spec);
    const indexInSandbox = await makeInside(host, request, { make, spec: { ...common, name: srcName } });
    return { srcName, ...names, indexInSandbox, deletedOnLeave: true };
  } catch (error) {
    throw wrapError(explained(error, kind.explainRefusal(config)), `connect to parent ${parent.name}`);
  }
}

/** Compares a link that went on without the daemon with what it should be, and changes what differs. */
export async function repairChildLink<C extends ChildNetworkConfig>(
  host: Host,
  kind: ChildKind<C>,
  { request, config }: Pick<LinkWish<C>, "request" | "config">,
): Promise<void> {
  await using inside = await host.link.openNetlink(request.sandboxKey);
  const link = await inside.link(request.freeIndex);
  if (link?.kind !== kind.name) return;
  const change = kind.repair(host, config, link);
  if (!change) return;
  const { endpointId: endpoint } = request;
  host.log.warn({ endpoint, link: link.name, change: change.words }, "a link was changed: changing it back");
  await inside.send(change);
}

/** Removes what `makeChildLink` made to be moved, if it is on the host: somebody else's of that name stays. */
export async function deleteMovedLink(host: Host, endpointId: string): Promise<void> {
  const { deleteLink, unless } = host.link;
  const link = await host.netlink.link(temporaryName(endpointId));
  if (link?.alias === markOf(endpointId)) await unless(["ENODEV"], host.netlink.send(deleteLink(link.index)));
}

/** In the sandbox from its first moment; answers the index there. */
async function makeInside(
  { netlink, link: kernel, log }: Host,
  { sandboxKey, freeIndex }: JoinRequest,
  { make, spec }: { readonly make: (spec: ChildLinkSpec) => Request; readonly spec: ChildLinkSpec },
): Promise<number> {
  const inSandbox = { ...spec, netns: sandboxKey };
  try {
    await netlink.send(make({ ...inSandbox, index: freeIndex }));
    return freeIndex;
  } catch (error) {
    // the container made a link with that index, or an older kernel looks for it on the host; else it shows again
    if (!hasCode(error, "EEXIST", "EBUSY")) throw error;
  }
  await netlink.send(make(inSandbox));
  await using undo = new Undo(log);
  await using inside = await kernel.openNetlink(sandboxKey);
  undo.defer("delete link", () => kernel.unless(["ENODEV"], inside.send(kernel.deleteLink(spec.name))));
  const index = (await inside.link(spec.name))?.index;
  if (index === undefined) throw conflict(`the link ${spec.name} was removed by somebody else`);
  undo.forget();
  return index;
}

/** What the kernel's short words mean here. */
function explained(error: unknown, whyInvalid: string | undefined): unknown {
  if (hasCode(error, "EBUSY"))
    return conflict(
      "the link has another use (a port of a bridge or bond, or macvlan and ipvlan on one parent)",
      error,
    );
  return hasCode(error, "EINVAL") && whyInvalid !== undefined ? conflict(whyInvalid, error) : error;
}

/** Name of a link that is on the host for a moment; 15 characters are all that Linux has for one. */
function temporaryName(endpointId: string): string {
  return `mv${endpointId.slice(0, 13)}`;
}

/** The mark that links of endpoints wear; what a crash leaves of them is swept away by it. */
function markOf(endpointId: string): string {
  return `tsdocker:${endpointId}`;
}
