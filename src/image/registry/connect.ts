// Finding the endpoint that answers: mirrors, then HTTPS, then HTTP where that is allowed.

import { errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Reference } from "../reference.ts";
import type { RegistryAuth } from "./auth.ts";
import { type EndpointOptions, endpointsOf } from "./endpoints.ts";
import { RegistryError, UnreachableError } from "./errors.ts";
import { Repository } from "./repository.ts";

export interface RegistryOptions extends EndpointOptions {
  readonly userAgent: string;
  readonly log: Log;
}

/**
 * Runs `first` against each endpoint of the reference's registry until one answers, and hands that repository over with
 * its answer; the caller closes it. Throws the last failure.
 */
export async function connectRepository<T>(
  reference: Reference,
  options: RegistryOptions,
  request: {
    readonly auth?: RegistryAuth;
    readonly purpose: "pull" | "push";
    readonly first: (repository: Repository) => Promise<T>;
  },
): Promise<{ readonly repository: Repository; readonly answer: T }> {
  let failure: unknown;
  for (const endpoint of endpointsOf(reference.domain, options, request.purpose)) {
    // Credentials are the registry's, not its mirrors'.
    const auth = endpoint.isMirror ? undefined : request.auth;
    const common = { userAgent: options.userAgent, ...(auth && { auth }) };
    const repository = new Repository(endpoint, reference.path, common);
    try {
      return { repository, answer: await request.first(repository) };
    } catch (error) {
      repository.close();
      failure = error;
      const isNext =
        error instanceof UnreachableError ? error.isConnect || endpoint.isMirror : endpoint.isMirror;
      if (!isNext || (endpoint.isMirror && !isRegistryTrouble(error))) throw error;
      options.log.debug({ endpoint: endpoint.base, reason: errorMessage(error) }, "try the next endpoint");
    }
  }
  throw failure;
}

function isRegistryTrouble(error: unknown): boolean {
  return error instanceof RegistryError || error instanceof UnreachableError;
}
