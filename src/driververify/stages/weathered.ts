// A host whose every call passes the weather first.

import type { Host } from "../../driverapi/index.ts";
import type { Weather } from "../weather.ts";

interface Guarded {
  readonly changes: readonly string[];
  readonly reads?: readonly string[];
}

const guarded: Readonly<Partial<Record<keyof Host, Guarded>>> = {
  netlink: {
    changes: ["send", "sendAside"],
    reads: ["links", "link", "addresses", "routes", "neighbours", "fdb"],
  },
  sysctl: { changes: ["write", "writeAll"], reads: ["read"] },
  firewall: { changes: ["set"] },
  ports: { changes: ["reserve"] },
  forwarder: { changes: ["setForwards"] },
  parents: { changes: ["hold", "release"] },
  netns: { changes: ["open", "remove"], reads: ["list"] },
  tunnels: { changes: ["set"] },
  programs: { changes: ["run"] },
  records: { changes: ["put", "delete"] },
};

/** The same host as this weather lets it be. */
export function weathered(host: Host, weather: Weather): Host {
  const parts = Object.entries(guarded).map(([name, methods]) => {
    const part: unknown = Reflect.get(host, name);
    return [name, guard(name, part as object, { methods, weather })] as const;
  });
  return { ...host, ...Object.fromEntries(parts) };
}

function guard(
  name: string,
  part: object,
  { methods, weather }: { readonly methods: Guarded; readonly weather: Weather },
): object {
  return new Proxy(part, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function" || typeof key !== "string") return member;
      const call = (...args: unknown[]): unknown => Reflect.apply(member, target, args);
      if (methods.changes.includes(key))
        return async (...args: unknown[]) => {
          await weather.beforeChange(`host.${name}.${key}`);
          return await weather.pass(() => call(...args));
        };
      if (methods.reads?.includes(key))
        return async (...args: unknown[]) => {
          await weather.beforeReading();
          return await weather.pass(() => call(...args));
        };
      return call;
    },
  });
}
