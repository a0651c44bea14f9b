// docker login: does the registry take these credentials?

import { EngineError, errorMessage } from "../util/errors.ts";
import type { ImageContext } from "./context.ts";
import type { RegistryAuth } from "./registry/auth.ts";
import { connectRepository } from "./registry/connect.ts";
import { RegistryError } from "./registry/errors.ts";

const hubAddress = /^(https?:\/\/)?(index\.docker\.io|registry-1\.docker\.io|docker\.io)(\/.*)?$/;

/** Asks the registry. Throws unauthorized when it says no, internal when it cannot be reached. */
export async function login(
  context: ImageContext,
  auth: RegistryAuth,
  signal: AbortSignal,
): Promise<{ readonly status: string; readonly identityToken: string }> {
  const address = auth.serverAddress ?? "";
  const isHub = address === "" || hubAddress.test(address);
  const domain = isHub ? "docker.io" : address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  try {
    const { repository } = await connectRepository({ domain, path: "" }, context.registry, {
      auth,
      purpose: "push",
      first: (repository) => repository.ping(signal),
    });
    repository.close();
    return { status: "Login Succeeded", identityToken: "" };
  } catch (error) {
    const isRefused = error instanceof RegistryError && [401, 403].includes(error.status);
    if (isRefused) throw new EngineError("unauthorized", error.message, { cause: error });
    throw error instanceof EngineError
      ? error
      : new EngineError("internal", errorMessage(error), { cause: error });
  }
}
