// Drivers that are npm packages or folders, loaded into this process when the daemon starts. One that cannot be loaded
// keeps nobody from starting: its networks are listed with their driver missing.

import type { OtherDrivers, PluginDrivers } from "../../cnm/index.ts";
import type {
  Capabilities,
  Host,
  IpamCapabilities,
  IpamDriver,
  IpamDriverFactory,
  NetworkDriver,
} from "../../driverapi/index.ts";
import { loadDriverModule } from "../../driverkit/index.ts";
import type { Collection, Store } from "../../store/index.ts";
import { errorMessage, invalid, unavailable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Undo } from "../../util/undo.ts";
import { absentIpamDriver, absentNetworkDriver } from "./absent-driver.ts";
import { call } from "./call.ts";
import { checkIpamDriver, checkNetworkDriver } from "./check-driver.ts";
import { guardNetworkDriver, type Limits } from "./guarded-driver.ts";
import { guardIpamDriver } from "./guarded-ipam.ts";
import { hearStrayErrors } from "./stray-errors.ts";

export interface LoadedSurroundings {
  /** The host that a driver of this name is handed. */
  readonly hostOf: (name: string) => Host;
  readonly ipamOptions: Parameters<IpamDriverFactory>[0];
  /** Names that are not to be had. */
  readonly taken: readonly string[];
  readonly store: Store;
  readonly limits?: Limits;
  readonly log: Log;
  readonly undo: Undo;
}

export interface LoadedDrivers {
  readonly network: readonly NetworkDriver[];
  readonly ipam: readonly IpamDriver[];
  /** Adds those that are missing to drivers that are found by name. */
  beside(others: PluginDrivers): PluginDrivers;
}

/** What a driver was the last time that it was here. */
interface Known {
  readonly network?: Capabilities;
  readonly ipam?: IpamCapabilities;
}

const usualLimits: Limits = { callMs: 60_000, careMs: 10_000 };

/**
 * Loads the drivers of a configuration, name by module. Never rejects for a driver's sake: what is wrong with one is
 * logged, and told to whoever names it.
 */
export async function loadDrivers(
  wanted: Readonly<Record<string, string>>,
  surroundings: LoadedSurroundings,
): Promise<LoadedDrivers> {
  const { store, log, undo } = surroundings;
  const known = store.collection<Known>("loaded drivers");
  const faults = new Map<string, string>();
  const loadings = Object.entries(wanted).map(async ([name, module]) => {
    try {
      const loaded = await load(name, module, surroundings);
      await remember(known, name, loaded);
      log.info({ driver: name, module: loaded.path }, "driver loaded");
      return [loaded];
    } catch (error) {
      // whoever is told it hears the name besides
      const reason = errorMessage(error).replace(`driver ${name}: `, "");
      faults.set(name, reason);
      log.error({ driver: name, module, reason }, "cannot load driver: the daemon goes on without it");
      return [];
    }
  });
  if (loadings.length > 0)
    undo.defer(
      "hear drivers' stray errors no more",
      hearStrayErrors(process, log, (stack) => {
        process.stderr.write(`${stack}\n`);
        process.exit(1);
      }),
    );
  const loaded = (await Promise.all(loadings)).flat();
  return {
    network: loaded.flatMap(({ network }) => network ?? []),
    ipam: loaded.flatMap(({ ipam }) => ipam ?? []),
    beside: ({ network, ipam }) => {
      const missing = { known, faults, log };
      return {
        network: besideMissing(network, { ...missing, kind: "network", absent: absentNetworkDriver }),
        ipam: besideMissing(ipam, { ...missing, kind: "ipam", absent: absentIpamDriver }),
      };
    },
  };
}

interface Loaded {
  readonly path: string;
  readonly network?: NetworkDriver;
  readonly ipam?: IpamDriver;
}

/** @throws with what is wrong with the module, its factories or what these made */
async function load(
  name: string,
  spec: string,
  { hostOf, ipamOptions, taken, limits = usualLimits, log }: LoadedSurroundings,
): Promise<Loaded> {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name))
    throw invalid(`${JSON.stringify(name)} is no name of a driver: letters, digits, "_", "." and "-" are`);
  if (taken.includes(name)) throw invalid(`the name ${name} is taken by a driver of tsdocker's own`);
  const module = await call({ driver: name, method: "import" }, limits.careMs, () => loadDriverModule(spec));
  const { default: createNetwork, createIpam, path } = module;
  const make = <T>(method: string, work: () => T) =>
    // not awaited: a factory that answers a promise is refused by its check
    call({ driver: name, method }, limits.careMs, () => ({ made: work() }));
  const around = { name, limits, log };
  const network = createNetwork && (await make("its factory", () => createNetwork(hostOf(name))));
  const ipam = createIpam && (await make("createIpam", () => createIpam(ipamOptions)));
  return {
    path,
    ...(network && { network: guardNetworkDriver(checkNetworkDriver(network.made), around) }),
    ...(ipam && { ipam: guardIpamDriver(checkIpamDriver(ipam.made), around) }),
  };
}

async function remember(known: Collection<Known>, name: string, { network, ipam }: Loaded): Promise<void> {
  const now: Known = {
    ...(network && { network: { ...network.capabilities } }),
    ...(ipam && { ipam: { ...ipam.capabilities } }),
  };
  if (JSON.stringify(known.get(name)) !== JSON.stringify(now)) await known.put(name, now);
}

interface Missing<T, Kind extends keyof Known> {
  readonly kind: Kind;
  readonly known: Collection<Known>;
  /** Why those that are wanted are not here. */
  readonly faults: ReadonlyMap<string, string>;
  readonly absent: (
    absence: { readonly name: string; readonly reason: () => string; readonly log: Log },
    capabilities: NonNullable<Known[Kind]>,
  ) => T;
  readonly log: Log;
}

/** A plugin of the same name stands in for a driver that nobody wants any more, and for no other. */
function besideMissing<T, Kind extends keyof Known>(
  others: OtherDrivers<T>,
  { kind, known, faults, absent, log }: Missing<T, Kind>,
): OtherDrivers<T> {
  const isMissing = (name: string) => faults.has(name);
  const reason = (name: string) =>
    faults.get(name) ?? `the daemon was started without --driver ${name}=MODULE`;
  return {
    find: async (name) => {
      if (isMissing(name)) throw unavailable(`driver ${name} was not loaded: ${reason(name)}`);
      return await others.find(name);
    },
    recall: (name) => {
      const other = isMissing(name) ? undefined : others.recall(name);
      const capabilities = known.get(name)?.[kind];
      if (other || !capabilities) return other;
      return absent({ name, reason: () => reason(name), log }, capabilities);
    },
    isAway: (name) => isMissing(name) || others.isAway(name),
    follow: (listener) => others.follow(listener),
    names: async () => (await others.names?.()) ?? [],
  };
}
