// An endpoint that other hosts made impossible: its address is another's now, or its network is no more.

import type { EndpointLoss } from "../cnm/index.ts";
import { errorMessage } from "../util/errors.ts";
import { publishMembership } from "./networks.ts";
import type { EngineContext } from "./parts.ts";

/** Takes the container off the network, and connects it again, with another address, where the network is still there. */
export async function replaceEndpoint(context: EngineContext, loss: EndpointLoss): Promise<void> {
  const { networkId, networkName, containerId, reason } = loss;
  const container = context.registry.all().find(({ id }) => id === containerId);
  if (!container) return;
  context.log.error({ container: containerId, network: networkName, reason }, "an endpoint cannot stay");
  try {
    await context.locks.run(containerId, async () => {
      const sandbox = container.running?.sandbox;
      if (!sandbox) return;
      await sandbox.disconnect(networkId);
      publishMembership(context, container, {
        action: "disconnect",
        networkIds: [networkId],
        attributes: { reason },
      });
      if (!context.controller.networks().some(({ id }) => id === networkId)) return;
      const isIt = ({ network }: { readonly network: string }) =>
        network === networkName || network === networkId;
      const spec = container.record.spec.endpoints.find(isIt);
      if (!spec) return;
      await sandbox.connect({ ...spec, network: networkId });
      publishMembership(context, container, { action: "connect", networkIds: [networkId] });
    });
  } catch (error) {
    context.log.error(
      { container: containerId, network: networkName, reason: errorMessage(error) },
      "cannot give a container another endpoint: restart it",
    );
  }
}
