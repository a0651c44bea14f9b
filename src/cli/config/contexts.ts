// Docker contexts: named daemons in ~/.docker/contexts, made by `docker context create`. Read only.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface ContextEndpoint {
  readonly host: string;
  /** Folder of ca.pem, cert.pem, key.pem; undefined when the context brings none. */
  readonly tlsDirectory: string | undefined;
  readonly skipTlsVerify: boolean;
}

interface Meta {
  readonly Endpoints?: { readonly docker?: { readonly Host?: string; readonly SkipTLSVerify?: boolean } };
}

/** The daemon a context names. Throws Docker's text when there is no such context. */
export function readContext(configDirectory: string, name: string): ContextEndpoint {
  // Importing node:crypto costs 5 ms, and hardly anybody comes here.
  const { createHash } = process.getBuiltinModule("node:crypto");
  const id = createHash("sha256").update(name).digest("hex");
  const path = join(configDirectory, "contexts", "meta", id, "meta.json");
  const missing = `context ${JSON.stringify(name)}: context not found: open ${path}: no such file or directory`;
  if (!existsSync(path)) throw new Error(missing);
  const meta = JSON.parse(readFileSync(path, "utf8")) as Meta;
  const tls = join(configDirectory, "contexts", "tls", id, "docker");
  return {
    host: meta.Endpoints?.docker?.Host ?? "",
    tlsDirectory: existsSync(tls) ? tls : undefined,
    skipTlsVerify: meta.Endpoints?.docker?.SkipTLSVerify ?? false,
  };
}
