// A network driver that is somebody else's code, behind calls that end and answers that were looked at.

import type { NetworkDriver } from "../../driverapi/index.ts";
import type { Log } from "../../util/log.ts";
import { checkGateways, checkInterface, checkJoin, checkPublished } from "./answers.ts";
import { call, callNow, wordsOf } from "./call.ts";

export interface Limits {
  /** When a call has not been answered by then, it fails. */
  readonly callMs: number;
  /** The same for what a start or an end of the daemon waits for, of which nothing depends. */
  readonly careMs: number;
}

type Mandatory =
  | "name"
  | "capabilities"
  | "networkOptions"
  | "createNetwork"
  | "deleteNetwork"
  | "createEndpoint"
  | "deleteEndpoint"
  | "join"
  | "leave";

/** All of them, so that none is forgotten that the contract gets. */
type Optional = Required<Omit<NetworkDriver, Mandatory>>;

interface Surroundings {
  /** Its name here, whatever it calls itself. */
  readonly name: string;
  readonly limits: Limits;
  readonly log: Log;
}

/** The same driver, which the rest of the daemon may call without care. */
export function guardNetworkDriver(
  driver: NetworkDriver,
  { name, limits, log }: Surroundings,
): NetworkDriver {
  const ask = <T>(method: string, work: () => Promise<T>) =>
    call({ driver: name, method }, limits.callMs, work);
  /** What fails is logged: the daemon goes on without. */
  const care = async <T>(method: string, work: () => Promise<T>, otherwise: T): Promise<T> =>
    await call({ driver: name, method }, limits.careMs, work).catch((error) => {
      log.warn({ driver: name, reason: wordsOf(error) }, `a driver failed in ${method}`);
      return otherwise;
    });
  const careNow = <T>(method: string, work: () => T, otherwise: T): T => {
    try {
      return callNow({ driver: name, method }, work);
    } catch (error) {
      log.warn({ driver: name, reason: wordsOf(error) }, `a driver failed in ${method}`);
      return otherwise;
    }
  };
  const has = (method: keyof NetworkDriver) => driver[method] !== undefined;
  const guarded: NetworkDriver = {
    name,
    capabilities: driver.capabilities,
    ...(driver.networkOptions && { networkOptions: driver.networkOptions }),
    createNetwork: (request) => ask("createNetwork", async () => void (await driver.createNetwork(request))),
    deleteNetwork: (request) => ask("deleteNetwork", async () => void (await driver.deleteNetwork(request))),
    createEndpoint: (request) =>
      ask("createEndpoint", async () => checkInterface(await driver.createEndpoint(request))),
    deleteEndpoint: (request) =>
      ask("deleteEndpoint", async () => void (await driver.deleteEndpoint(request))),
    join: (request) => ask("join", async () => checkJoin(await driver.join(request))),
    leave: (request) => ask("leave", async () => void (await driver.leave(request))),
  };
  const optional: Optional = {
    checkGateway: (options) =>
      ask("checkGateway", async () => checkGateways(await driver.checkGateway?.(options))),
    forgetNetwork: (request) =>
      ask("forgetNetwork", async () => void (await driver.forgetNetwork?.(request))),
    checkEndpoint: (options) =>
      callNow({ driver: name, method: "checkEndpoint" }, () => void driver.checkEndpoint?.(options)),
    rejoin: (request) => ask("rejoin", async () => void (await driver.rejoin?.(request))),
    programExternalConnectivity: (request) =>
      ask("programExternalConnectivity", async () =>
        checkPublished(await driver.programExternalConnectivity?.(request)),
      ),
    publishedPorts: (request) =>
      care("publishedPorts", async () => checkPublished(await driver.publishedPorts?.(request)), []),
    revokeExternalConnectivity: (request) =>
      ask(
        "revokeExternalConnectivity",
        async () => void (await driver.revokeExternalConnectivity?.(request)),
      ),
    setLinks: (request) => ask("setLinks", async () => void (await driver.setLinks?.(request))),
    sweep: (known) => care("sweep", async () => void (await driver.sweep?.(known)), undefined),
    followUplink: () => care("followUplink", async () => (await driver.followUplink?.()) ?? [], []),
    settle: (options) => care("settle", async () => void (await driver.settle?.(options)), undefined),
    effectiveOptions: (request) =>
      care("effectiveOptions", async () => (await driver.effectiveOptions?.(request)) ?? {}, {}),
    describeNetwork: (request) =>
      ask("describeNetwork", async () => {
        const nothing = { links: [], rules: [], endpoints: new Map() };
        return (await driver.describeNetwork?.(request)) ?? nothing;
      }),
    // asked for lists of all networks: one driver's failure is not everybody's
    peers: (request) => careNow("peers", () => driver.peers?.(request) ?? [], []),
    enterCluster: async (cluster) => {
      const stay = await care("enterCluster", async () => await driver.enterCluster?.(cluster), undefined);
      return {
        paths: () => careNow("paths", () => stay?.paths() ?? [], []),
        tryPaths: () => care("tryPaths", async () => await stay?.tryPaths(), undefined),
        lacks: () => careNow("lacks", () => stay?.lacks?.() ?? [], []),
        follow: (listener) => careNow("follow", () => stay?.follow(listener), undefined) ?? (() => undefined),
        end: (options) => care("end", async () => await stay?.end(options), undefined),
      };
    },
  };
  const theirs = Object.entries(optional).filter(([method]) => has(method as keyof NetworkDriver));
  return { ...guarded, ...Object.fromEntries(theirs) };
}
