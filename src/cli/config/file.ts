// ~/.docker/config.json: credentials, formats, detach keys, proxies. Shared with the docker CLI; unknown keys survive.

import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorMessage, hasCode } from "../../util/errors.ts";

export interface AuthEntry {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

export interface ProxySettings {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
  readonly ftpProxy?: string;
  readonly noProxy?: string;
  readonly allProxy?: string;
}

export interface ConfigContent {
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly detachKeys?: string;
  readonly psFormat?: string;
  readonly imagesFormat?: string;
  readonly networksFormat?: string;
  readonly volumesFormat?: string;
  readonly pluginsFormat?: string;
  readonly statsFormat?: string;
  readonly currentContext?: string;
  readonly HttpHeaders?: Readonly<Record<string, string>>;
  readonly proxies?: Readonly<Record<string, ProxySettings>>;
  readonly pruneFilters?: readonly string[];
}

export interface ConfigFile {
  readonly directory: string;
  readonly path: string;
  readonly content: ConfigContent;
}

/** The folder of client settings: $DOCKER_CONFIG or ~/.docker. */
export function configDirectory(env: NodeJS.ProcessEnv): string {
  return env.DOCKER_CONFIG || join(env.HOME || "/root", ".docker");
}

/** Reads the settings; an absent file is an empty one. `warn` is told of a file that cannot be read. */
export function loadConfig(directory: string, warn: (text: string) => void): ConfigFile {
  const path = join(directory, "config.json");
  try {
    return { directory, path, content: JSON.parse(readFileSync(path, "utf8")) as ConfigContent };
  } catch (error) {
    if (!hasCode(error, "ENOENT"))
      warn(`WARNING: Error loading config file: ${path}: ${errorMessage(error)}`);
    return { directory, path, content: {} };
  }
}

/** Writes settings back, readable by their owner alone, whole or not at all. */
export function saveConfig(file: ConfigFile, content: ConfigContent): void {
  mkdirSync(file.directory, { recursive: true, mode: 0o700 });
  const draft = `${file.path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(content, null, "\t")}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, file.path);
}
