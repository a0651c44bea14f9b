// A host's wish for a certificate: its public key, signed with the private one, which never leaves the host.

import { createKeys, keyToPem } from "./keys.ts";
import { loadX509, signatureAlgorithm } from "./x509.ts";

export interface CertificateRequest {
  /** PEM; goes to whoever signs. */
  readonly request: string;
  /** PEM; stays here. */
  readonly key: string;
}

/** A new key and the request for its certificate. Names and addresses are for the signer to fill in. */
export async function createRequest(nodeId: string): Promise<CertificateRequest> {
  const [{ Pkcs10CertificateRequestGenerator }, keys] = await Promise.all([loadX509(), createKeys()]);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [nodeId] }],
    keys,
    signingAlgorithm: signatureAlgorithm,
  });
  return { request: request.toString("pem"), key: await keyToPem(keys.privateKey) };
}
