// What a user can say of a CNI network and of an endpoint on one, read once from `-o key=value`.

import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import type { CreateNetworkRequest, NetworkOptions } from "../../src/driverapi/index.ts";
import { checkEndpointOptions } from "../../src/driverkit/index.ts";
import { errorMessage, invalid } from "../../src/util/errors.ts";
import { type ChainConf, confFromKeys, parseConf } from "./conf.ts";
import type { Place } from "./plugin.ts";

/** All that begins so is the driver's. */
export const optionPrefix = "tsdocker.cni.";

export const optionNames = {
  conf: `${optionPrefix}conf`,
  path: `${optionPrefix}path`,
  timeout: `${optionPrefix}timeout`,
} as const;

/** Of endpoints. */
export const endpointArgs = `${optionPrefix}args`;

/** Where distributions and the plugins' own releases put them. */
const defaultPath = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];
const defaultTimeoutMs = 30_000;

/** What the controller reads, whatever the driver. */
const othersOptions = /^(?:tsdocker\.|com\.docker\.network\.(?:enable_ipv[46]|advertise_addr_(?:nmsgs|ms))$)/;

export interface CniOptions extends Place {
  readonly conf: ChainConf;
}

/** @throws invalid for an option that does not exist, has no such value, or names a file that cannot be read */
export async function readOptions({ networkName, options }: CreateNetworkRequest): Promise<CniOptions> {
  checkOptions(options);
  const { generic } = options;
  return {
    path: readPath(generic[optionNames.path]),
    timeoutMs: readTimeout(generic[optionNames.timeout]),
    conf: await readConf(generic, networkName),
  };
}

/** @throws invalid */
function checkOptions({ generic, internal }: NetworkOptions): void {
  const unknown = Object.keys(generic).find((key) => !othersOptions.test(key));
  if (unknown !== undefined) throw invalid(`unknown option ${unknown} for driver cni`);
  if (internal)
    throw invalid(
      "a CNI network is internal by its configuration (without isGateway, ipMasq and default routes), not by --internal",
    );
}

/** @throws invalid for an option that no endpoint of the driver has */
export function checkEndpoint(driverOpts: Readonly<Record<string, string>>): void {
  checkEndpointOptions(driverOpts, { driver: "cni", own: [endpointArgs] });
  const args = driverOpts[endpointArgs] ?? "";
  if (args !== "" && !args.split(";").every((pair) => /^[^=;\s]+=[^;]*$/.test(pair)))
    throw invalid(`invalid value for ${endpointArgs}: ${JSON.stringify(args)} is not KEY=value;KEY=value`);
}

async function readConf(generic: NetworkOptions["generic"], defaultName: string): Promise<ChainConf> {
  const { conf, path, timeout } = optionNames;
  const own = new Set<string>([conf, path, timeout]);
  const keys = Object.entries(generic)
    .filter(([key]) => key.startsWith(optionPrefix) && !own.has(key))
    .map(([key, text]) => [key.slice(optionPrefix.length), text] as const);
  const given = generic[conf];
  if (given !== undefined && keys.length > 0)
    throw invalid(`${optionPrefix}${keys[0]?.[0]}: what ${conf} says is the whole configuration`);
  if (given !== undefined) return await readGiven(given, defaultName);
  if (keys.length === 0)
    throw invalid(
      `a CNI network needs its configuration: -o ${conf}=/etc/cni/net.d/NAME.conflist, or -o ${optionPrefix}type=PLUGIN with its keys`,
    );
  const json = confFromKeys(Object.fromEntries(keys), optionPrefix);
  return parseConf(JSON.stringify(json), { source: `${optionPrefix}*`, defaultName });
}

async function readGiven(given: string, defaultName: string): Promise<ChainConf> {
  if (given.trimStart().startsWith("{")) return parseConf(given, { source: optionNames.conf, defaultName });
  if (!isAbsolute(given))
    throw invalid(
      `invalid value for ${optionNames.conf}: ${JSON.stringify(given)} is neither an absolute path on the daemon's host nor a JSON object`,
    );
  const text = await readFile(given, "utf8").catch((error) => {
    throw invalid(`read CNI configuration ${given}: ${errorMessage(error)}`);
  });
  return parseConf(text, { source: given, defaultName });
}

function readPath(text: string | undefined): readonly string[] {
  const folders = text?.split(":") ?? defaultPath;
  const wrong = folders.find((folder) => !isAbsolute(folder));
  if (wrong !== undefined)
    throw invalid(`invalid value for ${optionNames.path}: ${JSON.stringify(wrong)} is not an absolute path`);
  return folders;
}

function readTimeout(text: string | undefined): number {
  if (text === undefined) return defaultTimeoutMs;
  const seconds = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > 3600)
    throw invalid(
      `invalid value for ${optionNames.timeout}: ${JSON.stringify(text)} is not a number of seconds (1-3600)`,
    );
  return seconds * 1000;
}
