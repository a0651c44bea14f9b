// What this kernel answers to messages of XFRM; associations where it has ESP.

import { expect, test } from "vitest";
import {
  addAssociation,
  decodeAssociation,
  decodePolicy,
  deleteAssociation,
  deletePolicy,
  lackOfEsp,
  listAssociations,
  listPolicies,
  netlinkProtocol,
  nlmFlag,
  openNetlinkSocket,
  setPolicy,
  xfrmMessage,
} from "../../../src/kernel/index.ts";
import { address } from "../../unit/kernel/values.ts";
import { Lab } from "../lab.ts";

const lack = await lackOfEsp(4);
const pairs = [
  [4, "192.0.2.1", "192.0.2.2"],
  [6, "2001:db8::1", "2001:db8::2"],
] as const;

async function opened(lab: Lab) {
  const host = await lab.segment("192.0.2.0/24").host("own");
  return await openNetlinkSocket(netlinkProtocol.xfrm, host.netns);
}

function policy(source: string, target: string, spi = 0x1000_1001) {
  const selector = { source: address(source), target: address(target), protocol: 17, targetPort: 4789 };
  return { selector, mark: { value: 0x747365, mask: 0xffffff }, requestId: 0x7473_6400, spi };
}

test("the kernel counts its associations", async () => {
  await using lab = await Lab.create();
  await using socket = await opened(lab);
  // flags: none
  const request = { type: xfrmMessage.getCounts, flags: nlmFlag.ack, payload: Buffer.alloc(4), words: "" };
  const answers = await socket.send([request]);
  expect(answers.map(({ type }) => type)).toContain(xfrmMessage.newCounts);
  expect(await socket.dump(listAssociations())).toEqual([]);
});

test.for(pairs)("policies over IPv%i are made, changed, told and deleted", async ([, source, target]) => {
  await using lab = await Lab.create();
  await using socket = await opened(lab);
  const told = async () =>
    (await socket.dump(listPolicies())).map(({ payload }) => decodePolicy(payload)).filter(Boolean);
  await socket.send([setPolicy(policy(source, target))]);
  expect(await told()).toEqual([policy(source, target)]);
  await socket.send([setPolicy(policy(source, target, 0x2000_1001))]);
  expect(await told()).toEqual([policy(source, target, 0x2000_1001)]);
  await socket.send([deletePolicy(policy(source, target))]);
  expect(await told()).toEqual([]);
  await expect(socket.send([deletePolicy(policy(source, target))])).rejects.toMatchObject({ code: "ENOENT" });
});

const association = {
  source: address("192.0.2.1"),
  target: address("192.0.2.2"),
  spi: 0x1000_1001,
  requestId: 0x7473_6400,
  key: Uint8Array.from({ length: 20 }, (_, at) => at),
};

test.runIf(lack !== undefined)(`an association is refused by a kernel without ${lack}`, async () => {
  await using lab = await Lab.create();
  await using socket = await opened(lab);
  // the message itself is in order: what is missing is said first
  await expect(socket.send([addAssociation(association)])).rejects.toMatchObject({
    code: expect.stringMatching(/^(ENOSYS|EPROTONOSUPPORT)$/),
  });
  await expect(socket.send([deleteAssociation(association)])).rejects.toMatchObject({ code: "ESRCH" });
});

test.skipIf(lack !== undefined)(
  `associations are made, told and deleted${lack ? ` (this kernel lacks ${lack})` : ""}`,
  async () => {
    await using lab = await Lab.create();
    await using socket = await opened(lab);
    await socket.send([addAssociation(association)]);
    const [found] = (await socket.dump(listAssociations())).map(({ payload }) => decodeAssociation(payload));
    expect(found && { ...found, key: Uint8Array.from(found.key) }).toEqual(association);
    await socket.send([deleteAssociation(association)]);
    expect(await socket.dump(listAssociations())).toEqual([]);
  },
);
