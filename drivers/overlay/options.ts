// What a user can say of an overlay network, read once from `-o key=value` into a value.

import type { CreateNetworkRequest, EndpointOptions, PoolData } from "../../src/driverapi/index.ts";
import {
  checkEndpointOptions,
  type OptionTexts,
  readBoolean,
  readInterfacePrefix,
  readMtu,
  readWord,
  wrongValue,
} from "../../src/driverkit/index.ts";
import { invalid } from "../../src/util/errors.ts";

/** An overlay network as the user wants it. */
export interface OverlayConfig {
  readonly networkId: string;
  readonly networkName: string;
  readonly internal: boolean;
  /** What the underlay carries, in the user's word; undefined: what its link says. */
  readonly underlayMtu: number | undefined;
  readonly interfacePrefix: string;
  /** Containers may claim to be what they are and nothing else. */
  readonly isGuarded: boolean;
  /** Broadcasts and multicasts go to every host that carries the network. */
  readonly multicast: boolean;
  readonly encrypted: boolean;
  /** Frames may take a short cut past the bridge. */
  readonly fastPath: boolean;
  /** One for each segment; empty: the cluster chooses. */
  readonly presetVnis: readonly number[];
  /** Subnets in the order of the request; empty for a family that is off. */
  readonly ipv4: readonly PoolData[];
  readonly ipv6: readonly PoolData[];
}

export const optionNames = {
  vnis: "com.docker.network.driver.overlay.vxlanid_list",
  mtu: "com.docker.network.driver.mtu",
  encrypted: "encrypted",
  interfacePrefix: "com.docker.network.container_iface_prefix",
  antispoof: "tsdocker.antispoof",
  multicast: "tsdocker.multicast",
  fastPath: "tsdocker.fastpath",
} as const;

const knownOptions: ReadonlySet<string> = new Set(Object.values(optionNames));

/** RFC 8200 5. */
export const leastIpv6Mtu = 1280;

/** Of 24 bits (RFC 7348 5) 0 is not used, and the last one tries paths between hosts (vnis.ts). */
const largestVni = 0xff_fffe;

/** @throws invalid for a value that is not what its option needs, or an overlay option that does not exist */
export function readOverlayConfig(request: CreateNetworkRequest): OverlayConfig {
  const { networkId, networkName, options } = request;
  const { generic } = options;
  checkKnown(generic);
  const config: OverlayConfig = {
    networkId,
    networkName,
    internal: options.internal,
    underlayMtu: readMtu(generic, optionNames.mtu),
    interfacePrefix: readInterfacePrefix(generic, optionNames.interfacePrefix),
    isGuarded: readWord(generic, optionNames.antispoof, ["strict", "off"]) === "strict",
    multicast: readBoolean(generic, optionNames.multicast) ?? false,
    // Docker's own: its presence says it, whatever its value
    encrypted: optionNames.encrypted in generic && generic[optionNames.encrypted] !== "false",
    fastPath: readWord(generic, optionNames.fastPath, ["on", "off"]) === "on",
    presetVnis: readVnis(generic),
    ipv4: options.enableIpv4 ? request.ipv4Data : [],
    ipv6: options.enableIpv6 ? request.ipv6Data : [],
  };
  checkPools(config);
  return config;
}

/** A network has a VNI for each of these: its IPv4 subnets, or, where it has none, its IPv6 subnets. */
export function segmentPools({ ipv4, ipv6 }: Pick<OverlayConfig, "ipv4" | "ipv6">): readonly PoolData[] {
  return ipv4.length > 0 ? ipv4 : ipv6;
}

/** @throws invalid for an option, or a value of one, that no endpoint of an overlay can have */
export function checkOverlayEndpoint(driverOpts: EndpointOptions["driverOpts"]): void {
  checkEndpointOptions(driverOpts, { driver: "overlay" });
}

function checkKnown(generic: OptionTexts): void {
  for (const key of Object.keys(generic)) {
    if (key.startsWith("com.docker.network.driver.overlay.") && !knownOptions.has(key))
      throw invalid(`unknown option ${key} for driver overlay`);
  }
}

function checkPools(config: OverlayConfig): void {
  const { ipv4, ipv6, presetVnis } = config;
  if ([...ipv4, ...ipv6].some(({ pool }) => pool.length === 0) || ipv4.length + ipv6.length === 0)
    throw invalid("an overlay network needs a subnet");
  const segments = segmentPools(config).length;
  if (presetVnis.length > 0 && presetVnis.length !== segments)
    throw invalid(`${optionNames.vnis}: ${presetVnis.length} VNIs for ${segments} subnets`);
}

function readVnis(generic: OptionTexts): number[] {
  const text = generic[optionNames.vnis];
  if (!text) return [];
  const vnis = text.split(",").map((part) => readVni(part.trim(), text));
  if (new Set(vnis).size < vnis.length) throw wrongValue(optionNames.vnis, text, "names a VNI twice");
  return vnis;
}

function readVni(part: string, text: string): number {
  const vni = /^[0-9]{1,8}$/.test(part) ? Number(part) : 0;
  if (vni < 1 || vni > largestVni)
    throw wrongValue(optionNames.vnis, text, `is not a list of VNIs (1-${largestVni})`);
  return vni;
}
