// A host's side of the join port. Before anything is said there the other's authority is checked: by its digest when the
// host knows no more than a token, by its certificate afterwards.

import { X509Certificate } from "node:crypto";
import { request as httpsRequest } from "node:https";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { EngineError, errorMessage, forbidden, hasCode, invalid, unavailable } from "../../util/errors.ts";
import {
  type Credentials,
  certificateDigest,
  checkHostCertificate,
  memberName,
  readAuthority,
} from "../trust/index.ts";
import { longestBody, readError } from "./wire.ts";

export interface Where {
  readonly host: string;
  readonly port: number;
}

const timeoutMs = 10_000;

/**
 * The certificate of the authority there, if its digest is the token's.
 * @throws forbidden when it is another's: the token's secret was not said; unavailable when nobody answers, or a clock is
 * wrong
 */
export async function fetchAuthority(where: Where, digest: Buffer, now: Date = new Date()): Promise<string> {
  const chain = await fetchChain(where);
  const [certificate] = chain;
  const authority = chain.find(isAuthority);
  // etcd, for one, shows its own certificate alone
  if (!certificate || !authority)
    throw unavailable(`reach ${describe(where)}: what listens there is no join port of a cluster`);
  if (!certificateDigest(authority).equals(digest))
    throw forbidden(
      `reach ${describe(where)}: the token is of another cluster than the one there: nothing was told to it`,
    );
  try {
    checkHostCertificate(certificate, authority, now);
  } catch (error) {
    throw new EngineError("unavailable", `reach ${describe(where)}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
  return authority;
}

/**
 * Asks a member over a connection that its authority vouches for; with `credentials` the host shows its own certificate.
 * @throws what the member answered; unavailable when it does not answer
 */
export async function ask(
  where: Where,
  path: string,
  body: object,
  trust: { readonly authority: string } | Credentials,
): Promise<unknown> {
  const { status, text } = await post(where, path, JSON.stringify(body), trust);
  const answer = parseAnswer(where, text);
  if (status !== 200) throw readError(status, answer);
  return answer;
}

/** Every certificate that the server shows, its own first. PEM. */
function fetchChain(where: Where): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...where,
      // who it is comes out in the certificates
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
      servername: memberName,
    });
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })),
    );
    socket.once("error", (error) => reject(explain(where, error)));
    socket.once("close", () => reject(unavailable(`reach ${describe(where)}: the connection was closed`)));
    socket.once("secureConnect", () => {
      resolve(readChain(socket.getPeerCertificate(true)));
      socket.destroy();
    });
  });
}

function readChain(first: DetailedPeerCertificate): string[] {
  const chain: string[] = [];
  // the last one is its own issuer
  for (let one = first; one?.raw && chain.length < 4; one = one.issuerCertificate) {
    const pem = new X509Certificate(one.raw).toString();
    if (chain.at(-1) === pem) break;
    chain.push(pem);
  }
  return chain;
}

function isAuthority(pem: string): boolean {
  try {
    readAuthority(pem);
    return true;
  } catch {
    return false;
  }
}

function post(
  where: Where,
  path: string,
  body: string,
  trust: { readonly authority: string } | Credentials,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const own = "key" in trust ? { cert: trust.certificate, key: trust.key } : {};
    const request = httpsRequest(
      {
        ...{ ...where, path, method: "POST", agent: false },
        ...{ ca: trust.authority, ...own, minVersion: "TLSv1.3" as const },
        // by this name members are known, by whatever address they are reached
        servername: memberName,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
        signal: AbortSignal.timeout(timeoutMs),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
          if (text.length > longestBody) response.destroy(new Error("the answer is too long"));
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
        response.on("error", (error) => reject(explain(where, error)));
      },
    );
    request.on("error", (error) => reject(explain(where, error)));
    request.end(body);
  });
}

function parseAnswer(where: Where, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unavailable(`reach ${describe(where)}: the answer is not one of a tsdocker`);
  }
}

// Codes of OpenSSL's checks: https://docs.openssl.org/3.0/man1/openssl-verification-options/
function explain(where: Where, error: Error): EngineError {
  const say = (text: string) => unavailable(`reach ${describe(where)}: ${text}`, error);
  if (hasCode(error, "ECONNREFUSED"))
    return say(
      "nothing listens there: does the daemon run, is it a member of a cluster, is this the join port?",
    );
  if (hasCode(error, "EHOSTUNREACH", "ENETUNREACH")) return say("no route to the host");
  if (hasCode(error, "ETIMEDOUT", "ABORT_ERR") || error.name === "TimeoutError")
    return say("the host does not answer: is the port open in its firewall?");
  if (hasCode(error, "ENOTFOUND", "EAI_AGAIN")) return say("the name does not resolve");
  if (hasCode(error, "CERT_NOT_YET_VALID"))
    return say("its certificate is not valid yet: the clock here is behind, or the one there was ahead");
  if (hasCode(error, "CERT_HAS_EXPIRED"))
    return say("its certificate has expired: the clock here is ahead, or that host was away for long");
  if (hasCode(error, "EPROTO", "ECONNRESET") || error.message.includes("wrong version"))
    return say(`what listens there is no join port (${errorMessage(error)})`);
  if (/self.signed|unable to (get|verify)|altnames/i.test(error.message))
    return new EngineError(
      "forbidden",
      `reach ${describe(where)}: it is not of this cluster (${error.message})`,
    );
  return say(errorMessage(error));
}

export function describe({ host, port }: Where): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Tries one after another until one answers. @throws what the last one said, or at once what cannot be better elsewhere */
export async function anyOf<T>(places: readonly Where[], attempt: (where: Where) => Promise<T>): Promise<T> {
  let last: unknown = invalid("join: no address of a member was given");
  for (const where of places) {
    try {
      return await attempt(where);
    } catch (error) {
      last = error;
      if (!(error instanceof EngineError) || error.kind !== "unavailable") throw error;
    }
  }
  throw last;
}
