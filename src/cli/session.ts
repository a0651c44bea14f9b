// What a command works with: streams, settings, the client. All of it is made on first use.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../util/errors.ts";
import type { TlsMaterial } from "./client/connect.ts";
import { EngineClient } from "./client/engine.ts";
import { defaultHost, parseHost } from "./client/host.ts";
import { readContext } from "./config/contexts.ts";
import { type ConfigFile, configDirectory, loadConfig } from "./config/file.ts";
import type { FlagValues } from "./flags/values.ts";
import { readText } from "./options/key-values.ts";
import type { Streams } from "./streams.ts";
import { clientVersion } from "./version.ts";

/** Made once for a run of the program. Getters throw what is wrong with the settings they read. */
export class Session {
  readonly streams: Streams;
  readonly env: NodeJS.ProcessEnv;
  readonly #globals: FlagValues;
  #config: ConfigFile | undefined;
  #client: EngineClient | undefined;

  constructor(options: { streams: Streams; env: NodeJS.ProcessEnv; globals: FlagValues }) {
    this.streams = options.streams;
    this.env = options.env;
    this.#globals = options.globals;
  }

  get out() {
    return this.streams.out;
  }

  get err() {
    return this.streams.err;
  }

  get isDebug(): boolean {
    return this.#globals.bool("debug");
  }

  get config(): ConfigFile {
    this.#config ??= loadConfig(this.#globals.string("config") || configDirectory(this.env), (text) =>
      this.err.line(text),
    );
    return this.#config;
  }

  get client(): EngineClient {
    try {
      this.#client ??= this.#makeClient();
    } catch (error) {
      throw new Error(`Failed to initialize: unable to resolve docker endpoint: ${errorMessage(error)}`);
    }
    return this.#client;
  }

  /** The context in use, "default" unless --context, DOCKER_CONTEXT or the settings name one. */
  get contextName(): string {
    if (this.#globals.list("host").length > 0) return "default";
    const named = this.#globals.string("context");
    if (named) return named;
    if (this.env.DOCKER_HOST) return "default";
    return this.env.DOCKER_CONTEXT || this.config.content.currentContext || "default";
  }

  close(): void {
    this.#client?.close();
  }

  #makeClient(): EngineClient {
    const hosts = this.#globals.list("host");
    if (hosts.length > 1) throw new Error("Specify only one -H");
    if (hosts.length === 1 && this.#globals.changed("context")) {
      throw new Error("conflicting options: cannot specify both --host and --context");
    }
    const name = this.contextName;
    const context = name === "default" ? undefined : readContext(this.config.directory, name);
    const tls = this.#tls(context?.tlsDirectory, context?.skipTlsVerify ?? false);
    const host = context?.host || hosts[0] || this.env.DOCKER_HOST || defaultHost;
    const apiVersion = this.env.DOCKER_API_VERSION?.replace(/^v/, "") || undefined;
    const agent = { "User-Agent": `tsdocker/${clientVersion} (linux)` };
    const headers = { ...this.config.content.HttpHeaders, ...agent };
    return new EngineClient({ endpoint: parseHost(host, tls !== undefined), tls, apiVersion, headers });
  }

  /** TLS is on with --tls, --tlsverify (whatever its value), DOCKER_TLS, DOCKER_TLS_VERIFY or the context's keys. */
  #tls(contextDirectory: string | undefined, skipVerify: boolean): TlsMaterial | undefined {
    const fromEnvironment = Boolean(this.env.DOCKER_TLS_VERIFY);
    const verify = this.#globals.changed("tlsverify") ? this.#globals.bool("tlsverify") : fromEnvironment;
    const on =
      verify ||
      this.#globals.changed("tlsverify") ||
      this.#globals.bool("tls") ||
      Boolean(this.env.DOCKER_TLS);
    if (!on && contextDirectory === undefined) return undefined;
    const folder = contextDirectory ?? (this.env.DOCKER_CERT_PATH || this.config.directory);
    const read = (flag: string, file: string, isNeeded = false) =>
      this.#pem(flag, join(folder, file), isNeeded);
    return {
      ca: read("tlscacert", "ca.pem", contextDirectory === undefined),
      cert: read("tlscert", "cert.pem"),
      key: read("tlskey", "key.pem"),
      verify: contextDirectory === undefined ? verify : !skipVerify,
    };
  }

  #pem(flag: string, fallback: string, isNeeded: boolean): string | undefined {
    const chosen = this.#globals.string(flag).replace(/^(["'])(.*)\1$/, "$2");
    if (chosen) return readText(chosen);
    return isNeeded || existsSync(fallback) ? readText(fallback) : undefined;
  }
}
