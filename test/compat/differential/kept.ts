// The differences that stay, each with its reason. What is not in this table fails the test, and so does a row that no
// difference needs any more.

export interface Kept {
  /** Which requests; all when it is missing. */
  readonly on?: RegExp;
  readonly what: RegExp;
  readonly why: string;
  /** It depends on ids, which are random: some runs do without it. */
  readonly isByChance?: true;
}

const goJson = "newer Docker: a body that does not fit is the client's error (400), `invalid JSON:` in front";
const old = "newer Docker: as we say it; this is 20.10";
const stricter = "ours on purpose: told at create rather than at start, or never";
const reworded = "ours on purpose: the same kind of error, in words that say more";
const legacy = "newer Docker: gone from the API";
const store = "images and layers are containerd's here, and of dockerd's own store there";

const everywhere: readonly Kept[] = [
  {
    what: /^header (ostype|docker-experimental): dockerd nothing/,
    why: "newer Docker: these headers are on every response",
  },
  {
    what: /^status: dockerd 500 \| ours (400|403|404|409)$/,
    why: "newer Docker: what the client did wrong is no failure of the daemon",
  },
  {
    on: /_ping/,
    what: /^header (builder-version|swarm): dockerd nothing/,
    why: "newer Docker: ping says which builder it has and the state of swarm",
  },
  { what: /EnableIPv4: dockerd nothing/, why: "newer Docker: since 1.47" },
  {
    on: /GET \/networks\//,
    what: /^Status\./,
    why: "newer Docker: the addresses in use, since 1.52; beside them what took effect",
  },
  {
    what: /(GwPriority|DNSNames(\[\d+\])?): dockerd nothing/,
    why: "newer Docker: fields of an endpoint since 1.44 and 1.48",
  },
  { what: /^message: .*\| ours "invalid JSON: /, why: goJson },
  {
    what: /^message: dockerd "(json: |unexpected EOF|EOF|got EOF|invalid character|unexpected end of JSON).*\| ours/,
    why: goJson,
  },
  { what: /^message: dockerd "Content-Type specified/, why: old },
  { what: /^message: dockerd "Invalid filter '.*\| ours "invalid filter '/, why: old },
  {
    what: /^message: dockerd "([A-Z])(.*)" \| ours "(?!\1)(?:[a-z])\2"$/,
    why: "newer Docker: messages begin with a small letter",
  },
  { what: /strconv\.(ParseInt|Atoi): parsing/, why: reworded },
  { what: /failed to parse value as time or duration/, why: reworded },
];

const daemon: readonly Kept[] = [
  {
    on: /\/(version|info)/,
    what: /^(ID|Platform|Components|Version|ApiVersion|MinAPIVersion|GitCommit|GoVersion|BuildTime|ServerVersion|DriverStatus|Driver|Plugins\.(Network|Log)|Runtimes|ContainerdCommit|RuncCommit|InitCommit)\b/,
    why: "another daemon: its versions, drivers and plugins",
  },
  {
    on: /\/info/,
    what: /^(KernelMemory|KernelMemoryTCP|RegistryConfig\.Allow\w+): .*ours nothing/,
    why: legacy,
  },
  {
    on: /\/info/,
    what: /^(CDISpecDirs|Containerd\.|FirewallBackend\.)/,
    why: "newer Docker: since 1.44 to 1.49",
  },
  {
    on: /\/info/,
    what: /^BridgeNf/,
    why: "bridged packets pass no iptables here: nftables sees them in the bridge",
  },
  { on: /\/info/, what: /^OomKillDisable/, why: "newer Docker: not offered where it does harm" },
  {
    on: /\/info/,
    what: /^RegistryConfig\.(InsecureRegistryCIDRs|Mirrors)/,
    why: "loopback is insecure unasked; no mirrors is null",
  },
  { on: /\/info/, what: /^SecurityOptions/, why: "newer Docker: the profile is called builtin" },
  { on: /\/v(1|1\.41\.2)\/info/, what: /./, why: "newer Docker: no such path" },
  {
    on: /\(bare\)\/v[0-9.]+\/info/,
    what: /client version|^(status|header content-type|ID|[A-Z]\w+)\b/,
    why: "other versions are served here",
  },
  {
    on: /GET \/\//,
    what: /./,
    why: "a path with two slashes is no path here; Go sends the client to the clean one",
  },
  { on: /%zz/, what: /./, why: "errors are JSON, even for a path that is none" },
  {
    on: /GET \/volumes\//,
    what: /^message/,
    why: "newer Docker: the name stands where it is, even when empty",
  },
  { on: /(DELETE|GET) \/networks\/$/, what: /./, why: stricter },
  { on: /unexpected|"x"\}\{"Name"/, what: /./, why: "newer Docker: one JSON value, and nothing after it" },
  { on: /^DELETE \/networks\/x$/, what: /./, why: "what came before was refused here" },
  {
    on: /\/system\/df/,
    what: /^(BuilderSize|BuildCache|Images\[0\]\.VirtualSize)/,
    why: "newer Docker: 1.51's shape",
  },
  { what: /RepoDigests: dockerd null \| ours \[\]/, why: "newer Docker: an empty list" },
  {
    on: /events.*2020-/,
    what: /^(status|message)/,
    why: "ours on purpose: takes times as people write them",
  },
  { on: /events.*nope/, what: /./, why: "newer Docker: an unknown filter is refused" },
  { on: /swarm\/unlock/, what: /./, why: "newer Docker: not locked is a conflict" },
  {
    what: /(CachesDeleted|NetworksDeleted|ContainersDeleted|Warnings): dockerd null \| ours \[\]/,
    why: "an empty list is one",
  },
];

const images: readonly Kept[] = [
  { on: /\/images\/json.*%5B%22%5B%22/, what: /./, why: "a pattern that cannot match matches nothing" },
  { what: /^Metadata\.LastTagTime/, why: "loading is tagging, and when it was is known" },
  { on: /\/images\//, what: /^(GraphDriver|Descriptor)\b/, why: store },
  {
    what: /^message: dockerd "[nN]o such image: .*ours "No such image/,
    why: "newer Docker: said once, with the tag",
  },
  { what: /invalid reference format/, why: "newer Docker: says what is wrong with the reference" },
  { on: /GET \/images\/get$/, what: /./, why: "nothing to save is refused rather than saved" },
  { on: /\/images\/load/, what: /./, why: stricter },
  {
    on: /\/images\/create\?from(Image=127|Src=)/,
    what: /^message/,
    why: "another registry client: asks for the manifest at once",
  },
  {
    on: /\/images\/nope\/push/,
    what: /./,
    why: "ours on purpose: a 404 rather than a 200 with an error in it",
  },
  {
    on: /\/distribution\/127/,
    what: /^message/,
    why: "another registry client: asks for the manifest at once",
  },
];

const volumes: readonly Kept[] = [
  { what: /error looking up volume plugin/, why: "newer Docker: without the volume's name" },
  {
    on: /POST \/volumes\/create \{"Name":"v3"/,
    what: /./,
    why: "a limit: local volumes take no mount options yet",
  },
  { on: /\/volumes/, what: /"?v3"?|^Volumes\[2\]/, why: "a limit: local volumes take no mount options yet" },
  {
    on: /GET \/volumes\/v3|DELETE \/volumes\/v3/,
    what: /^status/,
    why: "a limit: local volumes take no mount options yet",
  },
  { on: /\{"Name":"a"\}/, what: /^message/, why: reworded },
  { on: /PUT \/volumes/, what: /./, why: "newer Docker: cluster volumes can be updated" },
  { what: /Mounts\[\d\]\.Source: dockerd ""/, why: "a bug of 20.10: the folder is known" },
  { what: /error reading volume filters/, why: reworded },
];

const networks: readonly Kept[] = [
  {
    on: /GET \/networks/,
    what: /Options\.com\.docker\.network\.driver\.mtu: dockerd "1500" \| ours nothing/,
    why: "ours on purpose: the default bridge's MTU follows the uplink; what it is now is in Status",
  },
  {
    what: /IPAM\.Config\[\d\]\.Gateway: dockerd nothing/,
    why: "newer Docker: a gateway that was chosen is shown",
  },
  {
    what: /IPAM\.Config\[1\]\.Subnet: dockerd "2001:db8::\/64" \| ours nothing/,
    why: "a pool of a family that is off is not taken",
  },
  {
    on: /POST \/networks\/create.*"Name":("bridge|"host|"none|"default)/,
    what: /^message/,
    why: "without the blank at its end",
  },
  {
    on: /POST \/networks\/create( null|.*"Name":("container:x|"with space|"a\/b|"-x|" |"")| \{\})/,
    what: /^(status|message)/,
    why: stricter,
  },
  {
    on: /"Driver":"overlay"|"Scope":"nope"/,
    what: /^message/,
    why: "swarm is none of ours: says what there is not",
  },
  {
    on: /\/networks\/create.*("Config"|"Options")/,
    what: /^(status|message)/,
    why: "newer Docker: pools and options are checked before they are taken",
  },
  {
    on: /DELETE \/networks\//,
    what: /^message: dockerd "error while removing network: .*(in use|active endpoints)/,
    why: old,
  },
  {
    on: /GET \/networks\?filters=.*(scope|type|dangling).*nope/,
    what: /./,
    why: "newer Docker: an unknown value is refused",
  },
  { what: /^message: dockerd "invalid name or ID supplied/, why: reworded },
  {
    on: /\/networks\/nope\/(dis)?connect/,
    what: /^message/,
    why: "newer Docker: the network is looked for first",
  },
  { what: /supported( only)? (for|on) .*user[- ]defined networks/, why: old },
  { on: /\/connect/, what: /^status: dockerd 400 \| ours 403/, why: "newer Docker: forbidden" },
  {
    on: /\/connect/,
    what: /^message: dockerd "(container cannot be (dis)?connected|failed to add interface)/,
    why: old,
  },
  {
    on: /\/(dis)?connect/,
    what: /(already exists in network|cannot be connected|not connected to)/,
    why: old,
  },
  {
    on: /\/connect/,
    what: /^status: dockerd 200 \| ours 403/,
    why: "newer Docker: a stopped container is refused what a running one is",
  },
  { on: /\/disconnect/, what: /^message: .*cannot be disconnected from host network/, why: reworded },
];

const containers: readonly Kept[] = [
  { what: /^(Graph)?Driver\b/, why: store },
  {
    what: /NetworkMode: dockerd "default" \| ours "bridge"/,
    why: "newer Docker: the default is called by its name",
  },
  {
    what: /RestartPolicy\.Name: dockerd "" \| ours "no"/,
    why: "newer Docker: the default is called by its name",
  },
  { what: /^HostConfig\.KernelMemory/, why: legacy },
  { what: /^HostConfig\.MaskedPaths/, why: "newer Docker: masks more" },
  {
    what: /^HostConfig\.Runtime: dockerd nothing/,
    why: "newer Docker: the default is shown before the first start too",
  },
  { what: /^HostConfig\.SecurityOpt/, why: "newer Docker: no labels without SELinux" },
  { what: /^HostConfig\.Devices\[0\]\.CgroupPermissions/, why: "as it was given" },
  {
    what: /\.NetworkID: dockerd ("" \| ours "<id>"|"<id>" \| ours "")/,
    why: "the network is known before the first start, and not any more when it is gone",
  },
  {
    what: /Aliases(\[\d\])?: dockerd (nothing \| ours "<short id>"|null \| ours nothing)/,
    why: "known before the first start",
  },
  {
    what: /\.(ResolvConfPath|HostnamePath|HostsPath)|^(ResolvConfPath|HostnamePath|HostsPath): /,
    why: "shown when the files belong to a container that ran",
  },
  { what: /SandboxID: dockerd "<id>" \| ours ""/, why: "newer Docker: a stopped container has no sandbox" },
  { what: /^Config\.ExposedPorts/, why: "ours on purpose: a published port is exposed" },
  {
    on: /"?nope"?|tried\/json/,
    what: /^NetworkSettings\.Networks\.(bridge|nope)\./,
    why: "newer Docker: the mode's own network is kept",
  },
  {
    on: /containers\/create/,
    what: /^(status: dockerd 201 \| ours 40[04]|message: dockerd nothing \| ours)/,
    why: stricter,
  },
  { on: /POST \/containers\/create/, what: /^message/, why: reworded },
  { on: /"VolumesFrom":\["nope"\]/, what: /^status/, why: "newer Docker: 404" },
  { on: /BlkioWeight/, what: /^Warnings/, why: "a limit: a weight without effect is not warned of" },
  { on: /\/start$/, what: /^message/, why: "newer Docker: says at which step it failed" },
  { what: /^State\.Error|^Error\.Message/, why: "newer Docker: says at which step it failed" },
  {
    on: /\/start$/,
    what: /^status: dockerd (204 \| ours 400|403 \| ours 400)/,
    why: "an address that is not the host's, or not the network's, is the client's error",
  },
  {
    what: /^(StatusCode|State\.ExitCode): dockerd 128 \| ours 127/,
    why: "a limit: a device that is not there counts as a program that is not",
  },
  { what: /^Error: dockerd null/, why: "newer Docker: left out" },
  { on: /\/kill/, what: /^message/, why: reworded },
  { on: /\/rename/, what: /^message/, why: "newer Docker: without what was being done" },
  { on: /\/attach/, what: /./, why: "newer Docker: an error before the stream is an answer with a status" },
  { on: /\/(changes|export|archive)/, what: /./, why: "a limit: not implemented yet" },
  { on: /\/logs/, what: /^header content-type: dockerd nothing/, why: "newer Docker: says what is sent" },
  { on: /\/stats/, what: /^os_type/, why: "newer Docker" },
  {
    on: /\/stats/,
    what: /^(pre)?cpu_stats\.cpu_usage\.percpu_usage|^memory_stats\.(max_usage|failcnt)/,
    why: "newer Docker: not with cgroup v2, which this looks like everywhere",
  },
  {
    on: /\/stats/,
    what: /^blkio_stats\.\w+(\[\d+\]\.\w+)?: /,
    why: "newer Docker: null where cgroup v2 has nothing",
  },
  { on: /condition=nope|h=-1|ps_args=--nope/, what: /./, why: stricter },
  { on: /DELETE \/containers\//, what: /^(message|status: dockerd 500 \| ours 501)/, why: old },
  {
    on: /\/update/,
    what: /^(status: dockerd (500|409) \| ours 200|message)/,
    why: "ours on purpose: nothing to change is no error, and memory may be limited alone",
  },
  { on: /limit=9+/, what: /^status/, why: "ours on purpose: more than all is all" },
  { on: /containers\/json/, what: /^message/, why: reworded },
  {
    on: /ambiguous/,
    what: /^message/,
    why: "the prefix differs, fifteen times of sixteen, and newer Docker begins with a small letter",
    isByChance: true,
  },
  { on: /resize/, what: /^message/, why: reworded },
  { on: /exec/, what: /^message/, why: reworded },
  { on: /exec\/nope\/start/, what: /^status/, why: "the instance is looked for first" },
  { on: /exec/, what: /^CanRemove/, why: "newer Docker: an instance that has ended may go" },
  {
    on: /exec\/.*start/,
    what: /^body/,
    why: "newer Docker: worded alike, and framed as the session would be",
  },
  {
    on: /exec\/.*json/,
    what: /^ExitCode: dockerd 126/,
    why: "newer Docker: a program that is not there is 127",
  },
  { what: /^ExecIDs/, why: "newer Docker: those that run" },
  {
    on: /exec\/\{exec\}/,
    what: /^(status|message)/,
    why: "an instance is there until its container is gone",
  },
  { what: /Networks\.\w+\.IPAddress: dockerd "198/, why: "addresses are handed out next-fit" },
  { what: /Networks\.nc\.Gateway: .*ours ""/, why: "newer Docker: an internal network has no gateway" },
  { what: /Config\.Entrypoint: dockerd \[\]/, why: "an empty entrypoint is none" },
  { what: /^LogPath: .*ours ""/, why: "shown when the file belongs to a container that ran" },
  { on: /\/events/, what: /\.execDuration: dockerd nothing/, why: "newer Docker: how long it ran" },
  { what: /SizeRw: dockerd nothing/, why: "the layer's own folders count" },
  { on: /GET \/networks\/na/, what: /^Containers/, why: "addresses are handed out next-fit" },
];

/** The first row that fits a difference explains it. */
export const kept: readonly Kept[] = [
  ...everywhere,
  ...daemon,
  ...images,
  ...volumes,
  ...networks,
  ...containers,
];
