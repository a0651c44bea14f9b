// What a certificate of a cluster says, read back: whose it is, of which cluster, what its host may do, until when.

import { createHash, X509Certificate } from "node:crypto";
import { type Address, parseAddress } from "../../netip/index.ts";
import { errorMessage, forbidden, invalid, unavailable } from "../../util/errors.ts";

/** `member`: runs etcd and admits hosts. `node`: a client of both. */
export type HostRole = "member" | "node";

/** The DNS name in every member's certificate and in no other: by it members are known, whatever address was dialled. */
export const memberName = "member.tsdocker";

/** The DNS name that a host has in its certificate. */
export const hostName = (nodeId: string) => `${nodeId}.node.tsdocker`;

export interface HostCertificate {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: HostRole;
  readonly addresses: readonly Address[];
  /** Hexadecimal, upper case. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** SHA-256 of a certificate (DER), the name under which hosts know a cluster's authority. */
export function certificateDigest(pem: string): Buffer {
  return createHash("sha256").update(parseCertificate(pem).raw).digest();
}

/** @throws invalid when the text is no certificate of a host */
export function readHostCertificate(pem: string): HostCertificate {
  const certificate = parseCertificate(pem);
  const subject = readName(certificate.subject);
  const names = (certificate.subjectAltName ?? "").split(", ");
  const [nodeId, clusterId] = [subject.get("CN"), subject.get("O")];
  if (!nodeId || !clusterId || !names.includes(`DNS:${hostName(nodeId)}`))
    throw invalid("read the certificate: it is not one of a cluster's host");
  return {
    nodeId,
    clusterId,
    role: names.includes(`DNS:${memberName}`) ? "member" : "node",
    addresses: names.flatMap((name) => parseAddress(/^IP Address:(.+)$/.exec(name)?.[1] ?? "") ?? []),
    serial: certificate.serialNumber,
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
  };
}

/** The cluster that a certificate authority is of. @throws invalid when it is none of ours */
export function readAuthority(pem: string): { readonly clusterId: string; readonly notAfter: Date } {
  const certificate = parseCertificate(pem);
  const clusterId = readName(certificate.subject).get("O");
  if (!clusterId || !certificate.ca) throw invalid("read the certificate: it is not a cluster's authority");
  return { clusterId, notAfter: certificate.validToDate };
}

/**
 * Whether a host's certificate is what it should be.
 * @throws forbidden when another authority signed it; unavailable when it is not valid now, with the clock's part in it
 */
export function checkHostCertificate(pem: string, authorityPem: string, now: Date): HostCertificate {
  const [certificate, authority] = [parseCertificate(pem), parseCertificate(authorityPem)];
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey))
    throw forbidden("check the host's certificate: another cluster's authority has signed it");
  const host = readHostCertificate(pem);
  if (now < host.notBefore) throw unavailable(`check the host's certificate: ${notYetValid(host, now)}`);
  if (now > host.notAfter)
    throw unavailable(
      `check the host's certificate: it expired at ${host.notAfter.toISOString()}: join the cluster again`,
    );
  return host;
}

/** In words, with both times: nearly always it is a clock that is wrong. */
export function notYetValid({ notBefore }: { readonly notBefore: Date }, now: Date): string {
  return `it is valid from ${notBefore.toISOString()} and the clock here says ${now.toISOString()}: set the clocks of both hosts`;
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw invalid(`read the certificate: ${errorMessage(error)}`);
  }
}

// Node writes a name as lines of `key=value`
function readName(text: string): Map<string, string> {
  return new Map(
    text.split("\n").map((line) => {
      const [key = "", ...value] = line.split("=");
      return [key, value.join("=")];
    }),
  );
}
