// The HTTP server: versions, headers, errors and the routes on fastify, behind any number of listeners.

import type { IncomingMessage, ServerResponse } from "node:http";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { Engine } from "../engine/types.ts";
import { EngineError, errorKind, errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { Call } from "./call.ts";
import { errorBody, statusOf } from "./errors.ts";
import { type BoundAddress, type ListenAddress, Listeners, type ListenOptions } from "./listeners.ts";
import type { Answer, Route } from "./route.ts";
import { allRoutes } from "./routes.ts";
import { type ApiVersion, checkVersion, formatVersion, maxVersion, splitVersion } from "./version.ts";

export interface ApiOptions {
  readonly engine: Engine;
  readonly log: Log;
  /** The daemon's own version, for the Server header. */
  readonly serverVersion: string;
}

export interface Api {
  /** Opens a socket and serves on it. Throws invalid for an address that must not be opened; may be called several times. */
  listen(address: ListenAddress, options?: ListenOptions): Promise<BoundAddress>;
  /** Closes the sockets, ends what is streaming, and settles when every connection is gone. */
  close(): Promise<void>;
}

/** Builds the API over an engine. Nothing is opened before `listen`. */
export async function createApi(options: ApiOptions): Promise<Api> {
  const closing = new AbortController();
  const versions = new WeakMap<IncomingMessage, ApiVersion>();
  const app = buildApp(options, versions);
  for (const route of allRoutes(options.engine)) serve(app, route, { log: options.log, closing, versions });
  await app.ready();
  const listeners = new Listeners(app.routing.bind(app));
  return {
    listen: (address, listenOptions) => listeners.open(address, listenOptions ?? {}),
    async close() {
      closing.abort();
      await listeners.close();
      await app.close();
    },
  };
}

interface Serving {
  readonly log: Log;
  readonly closing: AbortController;
  readonly versions: WeakMap<IncomingMessage, ApiVersion>;
}

function buildApp(options: ApiOptions, versions: WeakMap<IncomingMessage, ApiVersion>): FastifyInstance {
  const app = fastify({
    exposeHeadRoutes: false,
    routerOptions: {
      maxParamLength: 4096,
      querystringParser: (text) => new URLSearchParams(text) as unknown as Record<string, unknown>,
    },
    // one registration serves every version: the prefix is cut off before routing and remembered with the request
    rewriteUrl(request) {
      const { version, url } = splitVersion(request.url ?? "/");
      versions.set(request as IncomingMessage, version);
      return url;
    },
    frameworkErrors: (error, _request, reply) => sendError(reply, error, options.log),
  });
  // bodies are read by the routes: JSON with Docker's messages, archives as streams
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.addHook("onRequest", async (request, reply) => {
    setCommonHeaders(reply.raw, options.serverVersion);
    checkVersion(versions.get(request.raw) ?? maxVersion);
  });
  app.setErrorHandler((error, _request, reply) => sendError(reply, error, options.log));
  app.setNotFoundHandler((request, reply) => {
    if (request.method === "OPTIONS") return reply.code(200).send();
    return sendJson(reply, 404, { message: "page not found" });
  });
  return app;
}

function setCommonHeaders(response: ServerResponse, serverVersion: string): void {
  response.setHeader("Server", `Docker/${serverVersion} (linux)`);
  response.setHeader("Api-Version", formatVersion(maxVersion));
  response.setHeader("Ostype", "linux");
  response.setHeader("Docker-Experimental", "false");
}

function serve(app: FastifyInstance, route: Route, { log, closing, versions }: Serving): void {
  app.route({
    method: route.method,
    url: route.path,
    async handler(request, reply) {
      const call = new Call({
        request: request.raw,
        response: reply.raw,
        version: versions.get(request.raw) ?? maxVersion,
        parameters: request.params as Record<string, string>,
        query: request.query as URLSearchParams,
        release: () => reply.hijack(),
        closing: closing.signal,
      });
      try {
        sendAnswer(reply, await route.handle(call));
      } catch (error) {
        if (!call.hasAnswered) return sendError(reply, error, log);
        // a stream that stops because its client left is no failure
        if (errorKind(error) !== "cancelled" && !reply.raw.destroyed) logFailure(log, request, error);
        reply.raw.destroy();
      }
      return reply;
    },
  });
}

function sendAnswer(reply: FastifyReply, answer: Answer): void {
  if (answer === "streamed") return;
  if (answer.headers) reply.headers(answer.headers);
  if (answer.body === undefined) reply.code(answer.status).send(answer.text);
  else sendJson(reply, answer.status, answer.body);
}

function sendError(reply: FastifyReply, error: unknown, log: Log): FastifyReply {
  const status = frameworkStatus(error) ?? statusOf(error);
  if (status >= 500) logFailure(log, reply.request, error);
  if (status === 304) return reply.code(304).send();
  return sendJson(reply, status, errorBody(error));
}

// fastify's own refusals (a malformed path or Content-Type) carry a status
function frameworkStatus(error: unknown): number | undefined {
  if (error instanceof EngineError || !(error instanceof Error) || !("statusCode" in error)) return undefined;
  const { statusCode } = error;
  return statusCode === 415 || statusCode === 414
    ? 400
    : typeof statusCode === "number"
      ? statusCode
      : undefined;
}

// as bytes: to a text fastify adds a charset, and Go's client takes an error's body for JSON only without one
function sendJson(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  return reply.code(status).header("Content-Type", "application/json").send(bytes);
}

function logFailure(log: Log, request: FastifyRequest, error: unknown): void {
  const reason = errorMessage(error);
  const fields = { method: request.method, path: request.originalUrl, reason };
  // what is away (a store, a registry) or what this kernel lacks is no fault of ours to be traced
  if (["unavailable", "not-implemented"].includes(errorKind(error))) log.warn(fields, "request failed");
  else log.error({ ...fields, err: error }, "request failed");
}
