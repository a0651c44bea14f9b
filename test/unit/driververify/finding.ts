// The driver in memory as one whose endpoints find their addresses: eight of them, given when an endpoint joins.

import type { EndpointInterface, EndpointRef, JoinRequest } from "../../../src/driverapi/index.ts";
import { parsePrefix } from "../../../src/netip/index.ts";
import { unavailable } from "../../../src/util/errors.ts";
import type { Mutation } from "./breaking.ts";

export const finding: Mutation = (driver, machine) => {
  const { records } = machine.listed;
  const leaseOf = ({ endpointId }: EndpointRef) => records.find((item) => item.endsWith(` of ${endpointId}`));
  const lease = (ref: EndpointRef): EndpointInterface => {
    const free = Array.from({ length: 8 }, (_, at) => `198.18.9.${at + 2}`).find(
      (text) => !records.some((item) => item.startsWith(`${text} `)),
    );
    const text = leaseOf(ref)?.split(" ")[0] ?? free;
    if (text === undefined) throw unavailable("all addresses are taken");
    if (!leaseOf(ref)) records.push(`${text} of ${ref.endpointId}`);
    const address = parsePrefix(`${text}/24`);
    return address ? { address } : {};
  };
  return {
    capabilities: { ...driver.capabilities, findsAddresses: true },
    join: async (request: JoinRequest) => {
      const answer = await driver.join(request);
      return { ...answer, interface: lease(request) };
    },
  };
};
