// Parent links: found, made, shared, removed with the last user, found again after a start.

import { describe, expect, test } from "vitest";
import { createDummy, deleteLink, setLink } from "../../../src/kernel/index.ts";
import { createParents } from "../../../src/parents/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { silentLog } from "../../../src/util/log.ts";
import { createChildHost, errno } from "./child-world.ts";

const hold = (owner: string, name: string) => ({ owner, driver: "macvlan", name });

describe("a parent that is there", () => {
  test("is used as it is and never removed", async () => {
    const { parents, netlink } = await createChildHost();
    expect(await parents.hold(hold("n1", "eth0"))).toMatchObject({ name: "eth0", index: 2, mtu: 1500 });
    await parents.release("n1");
    await parents.sweep();
    expect(netlink.transcript).toEqual([]);
  });

  test("with a tag in its name is used as it is too, when somebody else made it", async () => {
    const { parents, netlink } = await createChildHost();
    await netlink.send(createDummy({ name: "eth0.10" }));
    await parents.hold(hold("n1", "eth0.10"));
    await parents.release("n1");
    expect(await netlink.link("eth0.10")).toBeDefined();
  });
});

describe("a VLAN sub-interface", () => {
  test("is made up, marked, without addresses of the host, and goes with its last user", async () => {
    const { parents, netlink, sysctls } = await createChildHost();
    const parent = await parents.hold(hold("n1", "eth0.10"));
    expect(netlink.transcript).toEqual([
      "ip link add address 01:00:00:00:00:01 type vlan",
      "ip link add eth0.10 link if2 type vlan id 10",
      "ip link set eth0.10 alias tsdocker-parent",
      `ip link set if${parent.index} up`,
    ]);
    expect(sysctls).toEqual({
      "net/ipv6/conf/eth0.10/accept_ra": "0",
      "net/ipv6/conf/eth0.10/addr_gen_mode": "1",
    });
    await parents.hold(hold("n2", "eth0.10"));
    await parents.release("n1");
    expect(await netlink.link("eth0.10")).toBeDefined();
    await parents.release("n2");
    expect(await netlink.link("eth0.10")).toBeUndefined();
    await parents.release("n2");
  });

  test("is made on a link that is down, to come up with it", async () => {
    const { parents, netlink } = await createChildHost();
    netlink.refuse(/^ip link set if3 up/, errno.ENETDOWN);
    expect(await parents.hold(hold("n1", "eth0.10"))).toMatchObject({ name: "eth0.10" });
  });

  test("is put up again when somebody has set it down", async () => {
    const { parents, netlink } = await createChildHost();
    const { index } = await parents.hold(hold("n1", "eth0.10"));
    await netlink.send(setLink(index, { up: false }));
    await parents.hold(hold("n1", "eth0.10"));
    expect(await netlink.link(index)).toMatchObject({ up: true });
  });

  test("is made by one of two who want it at once", async () => {
    const { parents, netlink } = await createChildHost();
    const [first, second] = await Promise.all([
      parents.hold(hold("n1", "eth0.10")),
      parents.hold(hold("n2", "eth0.10")),
    ]);
    expect(first).toEqual(second);
    expect(netlink.transcript.filter((words) => words.includes("vlan id 10"))).toHaveLength(1);
  });

  test("is made again for who wants it while it is removed", async () => {
    const { parents, netlink } = await createChildHost();
    await parents.hold(hold("n1", "eth0.10"));
    await Promise.all([parents.release("n1"), parents.hold(hold("n2", "eth0.10"))]);
    expect(await netlink.link("eth0.10")).toBeDefined();
  });

  test("is made again when it vanished with the link below", async () => {
    const { parents, netlink } = await createChildHost();
    const before = await parents.hold(hold("n1", "eth0.10"));
    await netlink.send(deleteLink("eth0.10"));
    expect((await parents.hold(hold("n1", "eth0.10"))).index).not.toBe(before.index);
  });

  test.for(["ip link add eth0.10", "ip link set eth0.10 alias", "up"])(
    "leaves nothing when the kernel refuses `%s`",
    async (words) => {
      const { parents, netlink } = await createChildHost();
      netlink.refuse(words, errno.EBUSY);
      await expect(parents.hold(hold("n1", "eth0.10"))).rejects.toThrow("create parent eth0.10");
      expect((await netlink.links()).map(({ name }) => name)).toEqual(["lo", "eth0"]);
    },
  );

  test.for([
    ["eth0.0", "vlan id must be between 1-4094, received: 0"],
    ["eth0.4095", "vlan id must be between 1-4094, received: 4095"],
    ["eth0.x", "unable to parse a valid vlan id from: x"],
    ["eth0.", "unable to parse a valid vlan id from:"],
    ["eth9.10", "-o parent interface was not found on the host: eth9"],
    ["eth9", "-o parent interface was not found on the host: eth9"],
    ["lo.10", "loopback interface is not a valid parent link"],
    ["eth0.10.long.name", "is not a name for a network interface"],
  ] as const)("called %s is refused", async ([name, message]) => {
    const { parents } = await createChildHost();
    const holding = parents.hold(hold("n1", name));
    await expect(holding).rejects.toThrow(message);
    await expect(holding).rejects.toSatisfy((error) => errorKind(error) === "invalid");
  });

  test("needs a kernel that has them", async () => {
    const { parents, netlink } = await createChildHost();
    netlink.refuse("type vlan", errno.EOPNOTSUPP);
    await expect(parents.hold(hold("n1", "eth0.10"))).rejects.toThrow(
      "VLAN sub-interfaces (-o parent=eth0.10) need CONFIG_VLAN_8021Q: this kernel has none",
    );
  });
});

describe("a network without a parent", () => {
  const dummy = { ...hold("n1", "dm-n1"), isDummy: true };

  test("stands on a dummy link of its own", async () => {
    const { parents, netlink } = await createChildHost();
    await parents.hold(dummy);
    expect(await netlink.link("dm-n1")).toMatchObject({ kind: "dummy", up: true });
    await parents.release("n1");
    expect(await netlink.link("dm-n1")).toBeUndefined();
  });

  test("needs a kernel that has dummy links", async () => {
    const { parents, netlink } = await createChildHost();
    netlink.refuse("type dummy", errno.EOPNOTSUPP);
    await expect(parents.hold(dummy)).rejects.toThrow(
      "macvlan networks without a parent need CONFIG_DUMMY: this kernel has none",
    );
  });
});

test("after a start, what was made is known by its mark: kept for who holds it, swept away otherwise", async () => {
  const { parents, netlink } = await createChildHost();
  await parents.hold(hold("n1", "eth0.10"));
  await parents.hold(hold("n2", "eth0.20"));
  const sysctl = { writeAll: async () => undefined };
  const next = createParents({ netlink, sysctl, hostHasIpv6: true, log: silentLog });
  await next.hold(hold("n1", "eth0.10"));
  await next.sweep();
  expect((await netlink.links()).map(({ name }) => name)).toEqual(["lo", "eth0", "eth0.10"]);
  await next.release("n1");
  expect((await netlink.links()).map(({ name }) => name)).toEqual(["lo", "eth0"]);
});
