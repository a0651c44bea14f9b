// What goes wrong with a registry, first in its own words, then in those that Docker's users know.

import { EngineError, errorMessage } from "../../util/errors.ts";
import { familiarName, familiarString, type Reference } from "../reference.ts";

/** An answer of a registry that says no: HTTP status, and the code and text of its first error. */
export class RegistryError extends Error {
  readonly status: number;
  /** `MANIFEST_UNKNOWN`, `DENIED`, …; empty when the registry gave none. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "RegistryError";
    this.status = status;
    this.code = code;
  }
}

/** A registry that could not be asked: no name, no route, no TLS, a broken connection. */
export class UnreachableError extends Error {
  /** True when it never came to an exchange, so that another scheme or mirror may do. */
  readonly isConnect: boolean;

  constructor(message: string, options: { readonly cause: unknown; readonly isConnect: boolean }) {
    super(message, { cause: options.cause });
    this.name = "UnreachableError";
    this.isConnect = options.isConnect;
  }
}

/** Reads the error document of a response (distribution spec: `{"errors":[{code,message}]}`). */
export function registryError(status: number, body: string, request: string): RegistryError {
  const { code, message } = firstError(body);
  const byStatus: Readonly<Record<number, string>> = {
    401: "UNAUTHORIZED",
    403: "DENIED",
    429: "TOOMANYREQUESTS",
  };
  const known = code || byStatus[status] || "";
  const text = message || (known === "UNAUTHORIZED" ? "authentication required" : "");
  if (known !== "")
    return new RegistryError(
      status,
      known,
      `${known.toLowerCase().replaceAll("_", " ")}: ${text || known.toLowerCase()}`,
    );
  const start = body.trim().slice(0, 200);
  return new RegistryError(status, "", `${request}: unexpected status ${status}${start ? `: ${start}` : ""}`);
}

/** A pull's failure as an EngineError with Docker's text. */
export function pullError(error: unknown, reference: Reference): EngineError {
  if (error instanceof EngineError) return error;
  const make = (kind: EngineError["kind"], text: string) => new EngineError(kind, text, { cause: error });
  if (error instanceof UnreachableError) return make("internal", error.message);
  if (!(error instanceof RegistryError)) return make("internal", errorMessage(error));
  const name = familiarName(reference);
  switch (error.code) {
    case "DENIED":
    case "UNAUTHORIZED":
      return error.code === "DENIED" || error.status === 404
        ? make(
            "not-found",
            `pull access denied for ${name}, repository does not exist or may require 'docker login': ${error.message}`,
          )
        : make("unauthorized", error.message);
    case "MANIFEST_UNKNOWN":
      return make("not-found", `manifest for ${familiarString(reference)} not found: ${error.message}`);
    case "NAME_UNKNOWN":
      return make("not-found", `repository ${name} not found: ${error.message}`);
    case "TOOMANYREQUESTS":
      return make("unavailable", error.message);
    default:
      return error.status === 404
        ? make(
            "not-found",
            `manifest for ${familiarString(reference)} not found: manifest unknown: ${error.message}`,
          )
        : make("internal", error.message);
  }
}

/** A push's failure as an EngineError with Docker's text. */
export function pushError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const code = error instanceof RegistryError ? error.code : "";
  if (code === "DENIED") return new EngineError("forbidden", errorMessage(error), { cause: error });
  if (code === "UNAUTHORIZED") return new EngineError("unauthorized", errorMessage(error), { cause: error });
  return new EngineError("internal", errorMessage(error), { cause: error });
}

/** A failed exchange in the words of Docker's (Go's) clients: what was asked, then what the network said. */
export function unreachable(method: string, url: URL, error: unknown): UnreachableError {
  const verb = `${method.charAt(0)}${method.slice(1).toLowerCase()}`;
  const { text, isConnect } = describe(error, url);
  return new UnreachableError(`${verb} "${url.href}": ${text}`, { cause: error, isConnect });
}

/** Node's codes that mean that no connection came about, and Go's words for them. */
const connectErrors: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "connect: connection timed out",
  EACCES: "connect: permission denied",
};

function describe(error: unknown, url: URL): { text: string; isConnect: boolean } {
  const inner = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  const fields = (inner ?? {}) as { code?: string; address?: string; port?: number };
  const code = fields.code ?? "";
  const at = fields.address ? `dial tcp ${fields.address}:${fields.port ?? ""}: ` : "dial tcp: ";
  const connect = connectErrors[code];
  if (connect) return { text: `${at}${connect}`, isConnect: true };
  if (code === "ENOTFOUND")
    return { text: `dial tcp: lookup ${url.hostname}: no such host`, isConnect: true };
  if (code === "EAI_AGAIN")
    return {
      text: `dial tcp: lookup ${url.hostname}: temporary failure in name resolution`,
      isConnect: true,
    };
  if (code === "EPROTO" || code.startsWith("ERR_SSL"))
    return { text: "http: server gave HTTP response to HTTPS client", isConnect: true };
  if (/CERT|SELF_SIGNED|ISSUER|ALTNAME/.test(code))
    return { text: `tls: failed to verify certificate: ${errorMessage(inner)}`, isConnect: true };
  if (code === "ECONNRESET") return { text: "EOF", isConnect: url.protocol === "https:" };
  return { text: errorMessage(inner), isConnect: false };
}

function firstError(body: string): { code: string; message: string } {
  try {
    const document = JSON.parse(body) as {
      errors?: { code?: unknown; message?: unknown }[];
      details?: unknown;
    };
    const first = document.errors?.[0];
    if (first) return { code: String(first.code ?? ""), message: String(first.message ?? "") };
    return { code: "", message: typeof document.details === "string" ? document.details : "" };
  } catch {
    // proxies answer with pages, not JSON: the status then says all there is
    return { code: "", message: "" };
  }
}
