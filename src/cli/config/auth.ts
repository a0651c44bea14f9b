// Credentials for registries: from the settings file or a credential helper, to the header the API wants.

import { parseReference } from "../format/reference.ts";
import type { AuthEntry, ConfigFile } from "./file.ts";
import { runCredentialHelper } from "./helper.ts";

export const hubServer = "https://index.docker.io/v1/";

export interface AuthConfig {
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
  readonly serveraddress: string;
}

/** The key under which a registry's credentials are kept. */
function serverOf(domain: string): string {
  return domain === "docker.io" || domain === "index.docker.io" ? hubServer : domain;
}

/** The header for pulling or pushing `image`; an empty object's when nothing is known. */
export async function registryAuthFor(config: ConfigFile, image: string): Promise<string> {
  return encodeAuth(await authForServer(config, serverOf(parseReference(image).domain)));
}

/** What is stored for a server. */
export async function authForServer(config: ConfigFile, server: string): Promise<Partial<AuthConfig>> {
  const helper = helperFor(config, server);
  if (helper) {
    const stored = await runCredentialHelper<{ Username?: string; Secret?: string }>(helper, "get", server);
    if (!stored?.Secret) return {};
    if (stored.Username === "<token>") return { identitytoken: stored.Secret, serveraddress: server };
    return { username: stored.Username ?? "", password: stored.Secret, serveraddress: server };
  }
  const entry = findEntry(config, server);
  return entry ? { ...decodeEntry(entry), serveraddress: server } : {};
}

/** The credential helper that the settings name for a server, else the one for all. */
export function helperFor(config: ConfigFile, server: string): string | undefined {
  return config.content.credHelpers?.[server] ?? (config.content.credsStore || undefined);
}

/** Entries may be keyed by host or by an old URL of it. */
function findEntry(config: ConfigFile, server: string): AuthEntry | undefined {
  const auths = config.content.auths ?? {};
  const bare = (name: string) => name.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return auths[server] ?? Object.entries(auths).find(([key]) => bare(key) === bare(server))?.[1];
}

function decodeEntry(entry: AuthEntry): Partial<AuthConfig> {
  const { auth, ...rest } = entry;
  if (!auth) return rest;
  const decoded = Buffer.from(auth, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  return {
    ...rest,
    username: decoded.slice(0, colon),
    password: decoded.slice(colon + 1).replace(/\0+$/, ""),
  };
}

/** base64url of the JSON, as X-Registry-Auth wants it. */
function encodeAuth(auth: Partial<AuthConfig>): string {
  return Buffer.from(JSON.stringify(auth)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** How a user and password are written to the settings file. */
export function encodeEntry(username: string, password: string): AuthEntry {
  return { auth: Buffer.from(`${username}:${password}`).toString("base64") };
}
