// X-Registry-Auth: who the registry shall take us for.

import type { RegistryAuth } from "../../engine/types.ts";
import { errorMessage, invalid } from "../../util/errors.ts";
import { type AuthConfig, authConfig } from "../schemas/system.ts";
import { defined, nonEmpty } from "../text.ts";

/** Decodes the header, JSON in base64url (padded or not); undefined when it is missing or says nothing. Throws invalid. */
export function readRegistryAuth(header: string | undefined): RegistryAuth | undefined {
  if (!header) return undefined;
  const auth = registryAuth(decode(header));
  return Object.keys(auth).length > 0 ? auth : undefined;
}

function decode(header: string): AuthConfig {
  try {
    // Node's base64 decoder takes both alphabets
    const value: unknown = JSON.parse(Buffer.from(header, "base64").toString("utf8"));
    return value === null ? {} : authConfig.decode(value, "");
  } catch (error) {
    throw invalid(`invalid X-Registry-Auth header: ${errorMessage(error)}`, error);
  }
}

/** As the engine wants it. `auth` is "user:password" in base64, as in the CLI's config.json. */
export function registryAuth(config: AuthConfig): RegistryAuth {
  const [user, ...rest] = config.auth ? Buffer.from(config.auth, "base64").toString("utf8").split(":") : [];
  return defined({
    username: nonEmpty(config.username) ?? nonEmpty(user),
    password: nonEmpty(config.password) ?? nonEmpty(rest.join(":")),
    identityToken: nonEmpty(config.identitytoken),
    registryToken: nonEmpty(config.registrytoken),
    serverAddress: nonEmpty(config.serveraddress),
  });
}
