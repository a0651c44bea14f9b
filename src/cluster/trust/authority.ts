// A cluster's certificate authority: made when the cluster is, held by every member, never by a plain node.

import type { webcrypto } from "node:crypto";
import { type Address, formatAddress } from "../../netip/index.ts";
import { errorMessage, invalid } from "../../util/errors.ts";
import { type HostRole, hostName, memberName } from "./certificate.ts";
import { createKeys, keyFromPem, keyToPem } from "./keys.ts";
import { keyAlgorithm, loadX509, signatureAlgorithm } from "./x509.ts";

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** PEM. A secret: whoever has it can make any host a member. */
  readonly key: string;
}

/** Whom a certificate is for. Nothing of this is taken from the request, which anybody may have written. */
export interface Subject {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: HostRole;
  readonly addresses: readonly Address[];
}

export interface Validity {
  readonly now: Date;
  /** Of the certificate, in milliseconds. */
  readonly lifetimeMs?: number;
}

const day = 24 * 60 * 60 * 1000;
const authorityLifetimeMs = 20 * 365 * day;
const hostLifetimeMs = 90 * day;
/** Clocks of hosts may differ by this much and a new certificate is good at once. */
export const clockToleranceMs = 60 * 60 * 1000;

/** A new authority, for a new cluster. */
export async function createAuthority(
  clusterId: string,
  { now }: { readonly now: Date },
): Promise<Authority> {
  const [x509, keys] = await Promise.all([loadX509(), createKeys()]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ O: [clusterId] }, { CN: ["tsdocker cluster"] }],
    keys,
    signingAlgorithm: signatureAlgorithm,
    notBefore: new Date(now.getTime() - clockToleranceMs),
    notAfter: new Date(now.getTime() + authorityLifetimeMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await keyToPem(keys.privateKey) };
}

/**
 * A certificate for the key in `request`, good as client, server and etcd peer.
 * @throws invalid when the request is none, or is not signed with its own key
 */
export async function signRequest(
  authority: Authority,
  request: string,
  subject: Subject,
  { now, lifetimeMs = hostLifetimeMs }: Validity,
): Promise<string> {
  const x509 = await loadX509();
  const publicKey = await readRequest(request);
  const issuer = new x509.X509Certificate(authority.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ O: [subject.clusterId] }, { CN: [subject.nodeId] }],
    issuer: issuer.subjectName,
    publicKey,
    signingKey: await keyFromPem(authority.key),
    signingAlgorithm: signatureAlgorithm,
    notBefore: new Date(now.getTime() - clockToleranceMs),
    // nobody believes a certificate that outlives its issuer
    notAfter: new Date(Math.min(now.getTime() + lifetimeMs, issuer.notAfter.getTime())),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension(alternativeNames(subject)),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return certificate.toString("pem");
}

function alternativeNames({ nodeId, role, addresses }: Subject) {
  const names = [hostName(nodeId), ...(role === "member" ? [memberName] : [])];
  return [
    ...names.map((value) => ({ type: "dns" as const, value })),
    ...addresses.map((address) => ({ type: "ip" as const, value: formatAddress(address) })),
  ];
}

async function readRequest(pem: string): Promise<webcrypto.CryptoKey> {
  const { Pkcs10CertificateRequest } = await loadX509();
  try {
    const request = new Pkcs10CertificateRequest(pem);
    if (!(await request.verify())) throw new Error("it is not signed with its own key");
    return await request.publicKey.export(keyAlgorithm, ["verify"]);
  } catch (error) {
    throw invalid(`sign the certificate request: ${errorMessage(error)}`, error);
  }
}
