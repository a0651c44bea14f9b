// What the operator says of the cluster: a store of their own, and how the others reach this host. Names of options are
// those that dockerd had for clusters without swarm, up to its release 20.10.

import { readFileSync } from "node:fs";
import { parseEndpoints } from "../cluster/etcd/index.ts";
import { errorMessage, invalid } from "../util/errors.ts";
import type { Settings } from "./settings.ts";

export interface ClusterConfig {
  /** Undefined: a store of our own, once a cluster is formed or joined. */
  readonly store: StoreConfig | undefined;
  /** As `cluster init --advertise` takes it: for what names none itself. */
  readonly advertise: string | undefined;
  /** Likewise: UDP port of the tunnels. */
  readonly dataPort: number | undefined;
  /** How long a host may be gone before the others give away what it had; for a cluster whose first host says nothing else. */
  readonly graceMs: number | undefined;
}

export interface StoreConfig {
  /** As it was given, for people. */
  readonly url: string;
  /** Members of etcd, `host:port`, as `parseEndpoints` reads them. */
  readonly endpoints: string;
  /** Identifies the cluster among those that share the store: all its keys begin with `/tsdocker/<id>/`. */
  readonly clusterId: string;
  /** PEM texts; undefined: no TLS unless the endpoints say so. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  readonly auth: { readonly user: string; readonly password: string } | undefined;
}

const defaultId = "default";

/** @throws invalid, by the option's name */
export function parseCluster(settings: Settings): ClusterConfig {
  const url = settings.text("cluster-store");
  const options = settings.map("cluster-store-opt");
  if (url === "" && Object.keys(options).length > 0)
    throw invalid("--cluster-store-opt: there is no --cluster-store that these options are for");
  return {
    store: url === "" ? undefined : parseStore(url, options),
    advertise: settings.text("cluster-advertise") || undefined,
    dataPort: parseDataPort(settings.number("cluster-data-port")),
    graceMs: parseGrace(settings.number("cluster-grace")),
  };
}

function parseDataPort(port: number): number | undefined {
  if (port === 0) return undefined;
  if (port > 65_535) throw invalid(`--cluster-data-port: ${port} is not a port`);
  return port;
}

/** Shorter than a lease lives it would be given away while its host is thought alive. */
const shortestGraceS = 10;
const longestGraceS = 30 * 24 * 3_600;

function parseGrace(seconds: number): number | undefined {
  if (seconds === 0) return undefined;
  if (seconds < shortestGraceS || seconds > longestGraceS)
    throw invalid(`--cluster-grace: ${seconds} is not between ${shortestGraceS} s and 30 days`);
  return seconds * 1_000;
}

type Options = Readonly<Record<string, string>>;

function parseStore(url: string, options: Options): StoreConfig {
  checkNames(options);
  const [, scheme, hosts = "", path = ""] = /^([a-z]+):\/\/([^/]*)(\/.*)?$/.exec(url) ?? [];
  if (url.includes("@"))
    throw invalid("--cluster-store: a name and a password go into --cluster-store-opt, not into the address");
  if (scheme === undefined || hosts === "")
    throw invalid(`--cluster-store: ${url}: etcd://HOST:PORT[,HOST:PORT...][/NAME] is wanted`);
  if (scheme !== "etcd" && scheme !== "http" && scheme !== "https")
    throw invalid(`--cluster-store: ${scheme}:// is no store that is known here, only etcd:// is`);
  const endpoints = `${scheme}://${hosts}`;
  try {
    parseEndpoints(endpoints);
  } catch (error) {
    throw invalid(`--cluster-store: ${errorMessage(error)}`);
  }
  return {
    url,
    endpoints,
    clusterId: parseId(path, options["kv.path"]),
    tls: parseTls(options),
    auth: parseAuth(options),
  };
}

const names = [
  "kv.cacertfile",
  "kv.certfile",
  "kv.keyfile",
  "kv.path",
  "kv.username",
  "kv.password",
  "kv.passwordfile",
];

function checkNames(options: Options): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw invalid(`--cluster-store-opt: there is no option ${unknown} (there are ${names.join(", ")})`);
}

function parseId(path: string, option: string | undefined): string {
  const given = [path, option].map((text) => text?.replace(/^\/+|\/+$/g, "") ?? "").filter(Boolean);
  const [id = defaultId, other = id] = given;
  if (id !== other)
    throw invalid(`--cluster-store-opt kv.path: ${option} is not the ${path} of --cluster-store`);
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(id))
    throw invalid(`--cluster-store: ${id} is no name of a cluster (letters, digits, ".", "_" and "-")`);
  return id;
}

function parseTls(options: Options): StoreConfig["tls"] {
  const { "kv.cacertfile": ca, "kv.certfile": cert, "kv.keyfile": key } = options;
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if ((cert === undefined) !== (key === undefined))
    throw invalid("--cluster-store-opt: kv.certfile and kv.keyfile are wanted together");
  return {
    ...(ca !== undefined && { ca: readPem("kv.cacertfile", ca, "CERTIFICATE") }),
    ...(cert !== undefined && { cert: readPem("kv.certfile", cert, "CERTIFICATE") }),
    ...(key !== undefined && { key: readPem("kv.keyfile", key, "PRIVATE KEY") }),
  };
}

function parseAuth(options: Options): StoreConfig["auth"] {
  const { "kv.username": user, "kv.password": word, "kv.passwordfile": file } = options;
  if (word !== undefined && file !== undefined)
    throw invalid("--cluster-store-opt: kv.password and kv.passwordfile exclude each other");
  const password = file === undefined ? word : readText("kv.passwordfile", file).replace(/\r?\n$/, "");
  if (user === undefined && password === undefined) return undefined;
  if (!user || !password)
    throw invalid("--cluster-store-opt: kv.username and a password are wanted together");
  return { user, password };
}

function readPem(name: string, path: string, kind: string): string {
  const text = readText(name, path);
  if (new RegExp(`-----BEGIN ([A-Z]+ )?${kind}-----`).test(text)) return text;
  throw invalid(`--cluster-store-opt ${name}: ${path} holds no ${kind.toLowerCase()} in PEM`);
}

function readText(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(`--cluster-store-opt ${name}: ${errorMessage(error)}`);
  }
}
