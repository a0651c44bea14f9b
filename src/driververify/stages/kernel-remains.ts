// What there is in a network namespace, in words that can be compared.

import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { promisify } from "node:util";
import type { Netlink } from "../../kernel/index.ts";
import { type Address, formatPrefix, isLinkLocal, isMulticast } from "../../netip/index.ts";

const run = promisify(execFile);

/** Links, addresses and routes, which netlink tells. */
export async function netlinkRemains(
  netlink: Netlink,
): Promise<Record<"links" | "addresses" | "routes", string[]>> {
  const [links, addresses, routes] = await Promise.all([
    netlink.links(),
    netlink.addresses(),
    netlink.routes(),
  ]);
  const names = new Map(links.map(({ index, name }) => [index, name]));
  return {
    links: links.map(({ name, kind }) => (kind ? `${name} (${kind})` : name)),
    addresses: addresses
      .filter(({ prefix }) => !isKernelMade(prefix.address))
      .map(({ link, prefix }) => `${formatPrefix(prefix)} dev ${names.get(link)}`),
    routes: routes
      .filter(({ destination }) => !destination || !isKernelMade(destination.address))
      .map(({ link, destination, family }) =>
        [
          destination ? formatPrefix(destination) : `default (IPv${family})`,
          "dev",
          names.get(link ?? 0),
        ].join(" "),
      ),
  };
}

/** Rules that a driver may have made past its host, by the tools that tell them; none where a tool is missing. */
export async function toolRules(netns: string): Promise<string[]> {
  const commands = [["ip", "rule"], ["ip", "-6", "rule"], ["iptables-save"], ["ip6tables-save"]];
  const texts = await Promise.all(
    commands.map(([file = "", ...args]) =>
      run("nsenter", [`--net=${netns}`, file, ...args]).then(
        ({ stdout }) => stdout,
        () => "",
      ),
    ),
  );
  return texts.flatMap((text) =>
    text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !/^[#:*]|^COMMIT/.test(line)),
  );
}

/** Pins in a folder, if it is there. */
export async function pinsIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

/** IPv6 link-local addresses and their routes come and go with a link's carrier, some time after it. */
function isKernelMade(address: Address): boolean {
  return address.family === 6 && (isLinkLocal(address) || isMulticast(address));
}
