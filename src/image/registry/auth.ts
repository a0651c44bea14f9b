// Who we are to a registry: challenges, Basic, and bearer tokens by scope (distribution's token specification).

import { EngineError } from "../../util/errors.ts";
import { registryError } from "./errors.ts";
import { bodyOf, type HttpClient } from "./http.ts";

/** Who a registry shall take us for: the decoded X-Registry-Auth. */
export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  /** A refresh token, as `docker login` got it from the registry. */
  readonly identityToken?: string;
  /** A bearer token to be sent as it is. */
  readonly registryToken?: string;
  readonly serverAddress?: string;
}

export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

interface Token {
  readonly header: string;
  readonly expiresAt: number;
  /** What was asked, to ask again when the token has expired: a body that is a stream can be sent only once. */
  readonly challenge: Challenge;
}

const clientId = "tsdocker";
/** Tokens without a lifetime live 60 s (token specification). */
const defaultLifetimeS = 60;

/** Parses WWW-Authenticate: `Bearer realm="…",service="…",scope="…", Basic realm="…"`. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const tokens = /([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?\s*,?\s*/g;
  for (const [, name = "", quoted, plain] of header.matchAll(tokens)) {
    const value = quoted?.replace(/\\(.)/g, "$1") ?? plain;
    const current = challenges.at(-1);
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: {} });
    else if (current) current.parameters[name.toLowerCase()] = value;
  }
  return challenges;
}

/** Answers challenges for one registry and one set of credentials; keeps bearer tokens until they expire. */
export class Authorizer {
  readonly #auth: RegistryAuth;
  readonly #http: HttpClient;
  readonly #now: () => number;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(http: HttpClient, auth: RegistryAuth = {}, now: () => number = Date.now) {
    this.#http = http;
    this.#auth = auth;
    this.#now = now;
  }

  /** The Authorization header to start with, if one is known for the scope; an expired token is renewed. */
  async header(scope: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#auth.registryToken) return `Bearer ${this.#auth.registryToken}`;
    const token = await this.#tokens.get(scope);
    if (!token || token.expiresAt > this.#now()) return token?.header;
    return await this.answer([token.challenge], scope, signal);
  }

  /** Answers a 401: the header to try again with. Throws when there is nothing to answer with, or RegistryError. */
  async answer(challenges: readonly Challenge[], scope: string, signal: AbortSignal): Promise<string> {
    const bearer = challenges.find((one) => one.scheme === "bearer");
    if (bearer?.parameters.realm) return await this.#bearer(bearer, scope, signal);
    const basic = challenges.find((one) => one.scheme === "basic");
    if (!basic) throw registryError(401, "", "authenticate");
    const header = this.#basic();
    if (!header) throw new EngineError("unauthorized", "no basic auth credentials");
    this.#tokens.set(scope, Promise.resolve({ header, expiresAt: Infinity, challenge: basic }));
    return header;
  }

  async #bearer(challenge: Challenge, scope: string, signal: AbortSignal): Promise<string> {
    const fetching = this.#fetchToken(challenge, scope, signal);
    this.#tokens.set(scope, fetching);
    try {
      return (await fetching).header;
    } catch (error) {
      this.#tokens.delete(scope);
      throw error;
    }
  }

  async #fetchToken(challenge: Challenge, scope: string, signal: AbortSignal): Promise<Token> {
    const { parameters } = challenge;
    const realm = new URL(parameters.realm ?? "");
    // Ours before the challenge's: a HEAD is answered with a scope that does not let us write.
    const fields = { service: parameters.service ?? "", scope: scope || (parameters.scope ?? "") };
    const { identityToken } = this.#auth;
    const exchange = identityToken ? this.#refresh(realm, fields, identityToken) : this.#ask(realm, fields);
    const response = await this.#http.send({ ...exchange, signal });
    const body = (await bodyOf(response)).toString();
    const status = response.statusCode ?? 0;
    if (status !== 200) throw registryError(status, body, `Get "${realm.href}"`);
    const answer = JSON.parse(body) as { token?: string; access_token?: string; expires_in?: number };
    const token = answer.token ?? answer.access_token;
    if (!token) throw registryError(status, "", `authorization server at ${realm.origin} sent no token`);
    const lifetimeS = Math.max(answer.expires_in ?? defaultLifetimeS, defaultLifetimeS);
    return { header: `Bearer ${token}`, expiresAt: this.#now() + (lifetimeS - 5) * 1000, challenge };
  }

  #ask(realm: URL, fields: { service: string; scope: string }) {
    const url = new URL(realm);
    if (fields.service) url.searchParams.set("service", fields.service);
    for (const scope of fields.scope.split(" ")) if (scope) url.searchParams.append("scope", scope);
    const basic = this.#basic();
    if (basic) url.searchParams.set("account", this.#auth.username ?? "");
    return { method: "GET", url, headers: basic ? { authorization: basic } : {} };
  }

  #refresh(realm: URL, fields: { service: string; scope: string }, refreshToken: string) {
    const form = { grant_type: "refresh_token", client_id: clientId, refresh_token: refreshToken, ...fields };
    return {
      method: "POST",
      url: realm,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: Buffer.from(new URLSearchParams(form).toString()),
    };
  }

  #basic(): string | undefined {
    const { username, password } = this.#auth;
    if (!username) return undefined;
    return `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`;
  }
}
