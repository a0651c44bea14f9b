// What hosts say to each other at the join port: JSON over HTTPS, and how it is read. Nothing that comes in is believed
// before it was read here.

import { type Address, parseAddress } from "../../netip/index.ts";
import { EngineError, type ErrorKind, errorMessage, invalid } from "../../util/errors.ts";
import type { InitialMember } from "../member/etcd-arguments.ts";
import { checkUsable } from "./advertise.ts";
import type { MemberAddress, Ports } from "./identity.ts";
import type { Wish } from "./seats.ts";

/** `POST /v1/join`, from a host without a certificate. */
export interface JoinRequest {
  readonly token: { readonly id: string; readonly secret: string };
  /** A certificate request, PEM. */
  readonly request: string;
  readonly nodeId: string;
  readonly name: string;
  readonly address: Address;
  readonly ports: Ports;
  readonly wish: Wish;
}

export interface JoinAnswer {
  readonly clusterId: string;
  readonly wish: Wish;
  readonly certificate: string;
  readonly members: readonly MemberAddress[];
}

/** `POST /v1/renew` and `POST /v1/promote`, from a host that shows its certificate. */
export interface SignedRequest {
  readonly request: string;
}

export interface RenewAnswer {
  readonly certificate: string;
}

/** What a host needs to become a member. */
export interface PromoteAnswer {
  readonly certificate: string;
  readonly authorityKey: string;
  readonly members: readonly InitialMember[];
}

/** `POST /v1/decline`, likewise: it cannot take the seat. */
export interface DeclineRequest {
  readonly reason: string;
}

/** `POST /v1/look`, likewise: whether the host still belongs, and where the members are now. */
export interface LookAnswer {
  readonly members: readonly MemberAddress[];
}

export const paths = {
  join: "/v1/join",
  renew: "/v1/renew",
  promote: "/v1/promote",
  look: "/v1/look",
  decline: "/v1/decline",
} as const;
/** No request or answer is larger, in bytes. */
export const longestBody = 32 * 1024;

/** @throws invalid, naming the field */
export function readJoinRequest(body: unknown): JoinRequest {
  const fields = asRecord(body, "the request");
  const token = asRecord(fields.token, "token");
  const address = parseAddress(readText(fields, "address", /^[0-9a-fA-F.:]{2,45}$/));
  if (!address) throw invalid("read the join request: address is no IP address");
  checkUsable(String(fields.address), address);
  return {
    token: {
      id: readText(token, "id", /^[0-9a-z]{10}$/),
      secret: readText(token, "secret", /^[0-9a-z]{26}$/),
    },
    request: readRequestText(fields),
    nodeId: readText(fields, "nodeId", /^[0-9a-f]{32}$/),
    name: readText(fields, "name", /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/),
    address,
    ports: readPorts(asRecord(fields.ports, "ports")),
    wish: readText(fields, "wish", /^(auto|member|node)$/) as Wish,
  };
}

/** @throws invalid */
export function readSignedRequest(body: unknown): SignedRequest {
  return { request: readRequestText(asRecord(body, "the request")) };
}

/** @throws invalid */
export function readDecline(body: unknown): DeclineRequest {
  return { reason: readText(asRecord(body, "the request"), "reason", /^\P{Cc}{0,500}$/u) };
}

const statusOf: Readonly<Partial<Record<ErrorKind, number>>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  unavailable: 503,
};

/** An error as it goes out. What we did not expect tells nothing of itself. */
export function writeError(error: unknown): { readonly status: number; readonly message: string } {
  const status = error instanceof EngineError ? statusOf[error.kind] : undefined;
  return status
    ? { status, message: errorMessage(error) }
    : { status: 500, message: "it failed here: see the log of this host" };
}

/** An error as it came in. */
export function readError(status: number, body: unknown): EngineError {
  const kind = Object.entries(statusOf).find(([, code]) => code === status)?.[0] as ErrorKind | undefined;
  const message =
    typeof body === "object" && body && "message" in body ? String(body.message) : `status ${status}`;
  return new EngineError(kind ?? "unavailable", message.slice(0, 500));
}

type Fields = Readonly<Record<string, unknown>>;

function asRecord(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`read the join request: ${name} should be an object`);
  return value as Fields;
}

function readText(fields: Fields, name: string, form: RegExp): string {
  const value = fields[name];
  if (typeof value !== "string" || !form.test(value))
    throw invalid(
      `read the join request: ${name} is ${value === undefined ? "missing" : "not what it should be"}`,
    );
  return value;
}

const readRequestText = (fields: Fields) =>
  readText(
    fields,
    "request",
    /^-----BEGIN CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]{1,4000}-----END CERTIFICATE REQUEST-----\s*$/,
  );

function readPorts(fields: Fields): Ports {
  const port = (name: keyof Ports) => {
    const value = fields[name];
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0 && value < 65536) return value;
    throw invalid(`read the join request: ports.${name} is not a port`);
  };
  return { join: port("join"), client: port("client"), peer: port("peer") };
}
