// An IPAM driver that is somebody else's code, guarded like a network driver.

import type { IpamDriver } from "../../driverapi/index.ts";
import type { Log } from "../../util/log.ts";
import { checkPool, checkPrefix, checkSpaces } from "./answers.ts";
import { call, callNow, wordsOf } from "./call.ts";
import type { Limits } from "./guarded-driver.ts";

/** The same driver, which the rest of the daemon may call without care. */
export function guardIpamDriver(
  driver: IpamDriver,
  { name, limits, log }: { readonly name: string; readonly limits: Limits; readonly log: Log },
): IpamDriver {
  const ask = <T>(method: string, work: () => Promise<T>) =>
    call({ driver: name, method }, limits.callMs, work);
  const guarded: IpamDriver = {
    name,
    capabilities: driver.capabilities,
    defaultAddressSpaces: () =>
      ask("defaultAddressSpaces", async () => checkSpaces(await driver.defaultAddressSpaces())),
    requestPool: (request) => ask("requestPool", async () => checkPool(await driver.requestPool(request))),
    releasePool: (id) => ask("releasePool", async () => void (await driver.releasePool(id))),
    requestAddress: (request) =>
      ask("requestAddress", async () => checkPrefix(await driver.requestAddress(request))),
    releaseAddress: (id, address) =>
      ask("releaseAddress", async () => void (await driver.releaseAddress(id, address))),
  };
  const { usage, open, sweep } = driver;
  return {
    ...guarded,
    // asked for lists of all networks: one driver's failure is not everybody's
    ...(usage && {
      usage: (id) =>
        call({ driver: name, method: "usage" }, limits.careMs, () => usage.call(driver, id)).catch(
          (error) => {
            log.warn({ driver: name, reason: wordsOf(error) }, "a driver failed in usage");
            return { inUse: 0n, available: 0n };
          },
        ),
    }),
    ...(open && { open: () => callNow({ driver: name, method: "open" }, () => open.call(driver)) }),
    ...(sweep && {
      sweep: (known) =>
        call({ driver: name, method: "sweep" }, limits.careMs, () => sweep.call(driver, known)).catch(
          (error) => log.warn({ driver: name, reason: wordsOf(error) }, "a driver failed in sweep"),
        ),
    }),
  };
}
