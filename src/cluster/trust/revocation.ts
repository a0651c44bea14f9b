// The list of certificates that are no longer good: etcd reads it at every handshake.

import type { Authority } from "./authority.ts";
import { keyFromPem, toPem } from "./keys.ts";
import { loadX509, signatureAlgorithm } from "./x509.ts";

/** A list signed by the authority, PEM. Serials in hexadecimal. */
export async function createRevocationList(
  authority: Authority,
  serials: readonly string[],
  now: Date,
): Promise<string> {
  const x509 = await loadX509();
  const list = await x509.X509CrlGenerator.create({
    issuer: new x509.X509Certificate(authority.certificate).subject,
    thisUpdate: now,
    entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: now })),
    signingKey: await keyFromPem(authority.key),
    signingAlgorithm: signatureAlgorithm,
  });
  // the library's own PEM says "CRL"; readers look for the name of RFC 7468
  return toPem("X509 CRL", new Uint8Array(list.rawData));
}
