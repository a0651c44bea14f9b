// Golden documents: what the back ends put into the kernel for some scenarios, for people to read and reviewers to
// diff. `UPDATE_DOCS=1 vitest run --project lab test/lab/firewall/documents` writes them anew.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createFirewall, type FirewallOptions, type Rule } from "../../../src/firewall/index.ts";
import { address, type Host, Lab } from "../../conformance/firewall/lab.ts";
import { allow, bridge, guards, publish } from "../../conformance/firewall/rules.ts";

interface Scenario {
  readonly file: string;
  readonly title: string;
  readonly story: string;
  readonly rules: readonly Rule[];
  /** Show the constant chains too. */
  readonly withChains?: boolean;
  /** Chains that are there for what the scenario asks. */
  readonly onDemand?: readonly string[];
}

const scenarios: readonly Scenario[] = [
  {
    file: "one-network",
    title: "One network",
    story:
      "A bridge network as `network create` makes it: its containers reach each other and, under the host's address, everything outside; nobody outside reaches them. The chains are the same whatever else is configured: the other documents leave them out.",
    rules: [bridge("br1")],
    withChains: true,
  },
  {
    file: "published-ports",
    title: "Published ports",
    story:
      "`-p 8080:80`, `-p 127.0.0.1:8443:443`, `-p 53:53/udp` and `-p 20000-29999:20000-29999`. A range whose numbers stay is one element or rule, however long it is.",
    rules: [
      bridge("br1"),
      publish("8080", "172.20.1.2", "80"),
      publish("8080", "fd00:1::2", "80"),
      publish("8443", "172.20.1.2", "443", { at: "127.0.0.1" }),
      publish("53", "172.20.1.3", "53", { protocol: "udp" }),
      publish("20000-29999", "172.20.1.3", "20000-29999"),
    ],
  },
  {
    file: "internal-and-separate",
    title: "An internal network, and one whose containers are kept apart",
    story:
      "br1 is internal (`--internal`). br2 has `com.docker.network.bridge.enable_icc=false` and one link between two of its containers.",
    rules: [
      bridge("br1", { internal: true }),
      bridge("br2", { icc: false }),
      { ...allow("172.20.2.2", "5432", "172.20.2.3"), link: "br2" },
    ],
  },
  {
    file: "routed",
    title: "A routed network, and one with an address of its own to the outside",
    story:
      "br1 has gateway mode `routed`: its containers are reached at their own addresses, on the ports that are published. br2 leaves the host as 192.0.2.7, and neighbours on eth0 reach what its containers publish, ports 80 and 8000 to 8100 of one, at their own addresses too.",
    rules: [
      bridge("br1", { gatewayMode: { 4: "routed", 6: "routed" }, source: { 4: "keep", 6: "keep" } }),
      allow("172.20.1.2", "80"),
      allow("fd00:1::2", "80"),
      bridge("br2", { source: { 4: address("192.0.2.7"), 6: "masquerade" }, trustedLinks: ["eth0"] }),
      { ...allow("172.20.2.2", "80", "trusted"), link: "br2" },
      { ...allow("172.20.2.2", "8000-8100", "trusted"), link: "br2" },
    ],
  },
  {
    file: "guarded",
    title: "Guarded ports, and networks that are kept from the host",
    story:
      "c1 and c2 are on br1, whose `tsdocker.antispoof` is `owned`, as it is unless told. br2 has `tsdocker.host_access=ports` and one container, with `tsdocker.antispoof=strict`; with the first network of that kind comes the chain `input`. The chains of the table for bridges are in [one network](one-network.md).",
    onDemand: ["input"],
    rules: [
      bridge("br1"),
      bridge("br2", { hostAccess: "ports" }),
      ...guards("owned").filter(({ link }) => link === "br1"),
      ...guards("strict").filter(({ link }) => link === "br2"),
    ],
  },
];

/** What the tool prints may differ between its versions: documents hold for this one. */
const toolVersion = "nftables v1.0.6";

test.for(scenarios)("docs/firewall/$file tells what is in the kernel", async (scenario, { skip }) => {
  await using lab = new Lab();
  const host = await lab.host("host");
  const version = await host.run("nft --version");
  if (!version.startsWith(toolVersion)) skip(`the documents were written with ${toolVersion}`);
  const text = await documentOf(scenario, host);
  const path = join(import.meta.dirname, "../../../docs/firewall", `${scenario.file}.md`);
  if (process.env.UPDATE_DOCS) await writeFile(path, text);
  expect(await readFile(path, "utf8")).toBe(text);
});

async function documentOf(scenario: Scenario, host: Host): Promise<string> {
  const nftables = await during(
    host,
    scenario,
    { backend: "nftables", ownTables: false },
    "nft list table inet tsdocker; echo; nft list table bridge tsdocker",
  );
  const iptables = await during(
    host,
    scenario,
    { backend: "iptables", iptables: "nft" },
    "iptables-nft-save 2>/dev/null",
  );
  return [
    `# ${scenario.title}`,
    scenario.story,
    "Written from the kernel by `test/lab/firewall/documents.test.ts`.",
    "## nftables",
    scenario.withChains
      ? ""
      : "Maps and sets that are not empty; for the chains see [one network](one-network.md).",
    fenced(scenario.withChains ? nftables : shown(nftables, scenario.onDemand)),
    "## iptables",
    "IPv4; for IPv6 the same with its addresses. The table `bridge tsdocker` stands beside it, as above.",
    fenced(ownChains(iptables)),
  ]
    .filter(Boolean)
    .join("\n\n")
    .concat("\n");
}

async function during(
  host: Host,
  { rules }: Scenario,
  choice: Pick<FirewallOptions, "backend" | "iptables" | "ownTables">,
  show: string,
): Promise<string> {
  const firewall = await createFirewall({ ...choice, netns: host.netns });
  await firewall.set("document", rules);
  await firewall.start();
  const text = await host.run(show);
  await firewall.stop();
  return text.trim().replaceAll("\t", "  ");
}

function shown(text: string, chains: readonly string[] = []): string {
  const blocks = text.split("\n\n").map((block) => block.replace(/^table .*\n/, ""));
  const isShown = (block: string) =>
    block.includes("elements = ") || chains.some((name) => block.includes(`chain ${name} {`));
  return blocks.filter(isShown).join("\n");
}

/** Without comments, counters and what iptables itself says of its tables. */
function ownChains(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/^#|^:[A-Z]+ ACCEPT/.test(line))
    .map((line) => line.replace(/ \[\d+:\d+\]$/, ""))
    .join("\n");
}

function fenced(text: string): string {
  return `\`\`\`\n${text}\n\`\`\``;
}
