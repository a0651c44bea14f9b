// Private keys: EC P-256, in PEM (PKCS #8) wherever they are kept.

import { createPrivateKey, webcrypto } from "node:crypto";
import { errorMessage, internal } from "../../util/errors.ts";
import { keyAlgorithm } from "./x509.ts";

type CryptoKeyPair = webcrypto.CryptoKeyPair;

/** A new pair, exportable. */
export async function createKeys(): Promise<CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]);
}

export async function keyToPem(key: webcrypto.CryptoKey): Promise<string> {
  return toPem("PRIVATE KEY", new Uint8Array(await webcrypto.subtle.exportKey("pkcs8", key)));
}

export function toPem(name: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${name}-----`, ...lines, `-----END ${name}-----`, ""].join("\n");
}

/** The key for signing. @throws internal when the text is not such a key; the message never has any of the text */
export async function keyFromPem(pem: string): Promise<webcrypto.CryptoKey> {
  try {
    const bytes = createPrivateKey(pem).export({ type: "pkcs8", format: "der" });
    return await webcrypto.subtle.importKey("pkcs8", bytes, keyAlgorithm, false, ["sign"]);
  } catch (error) {
    throw internal(`read the cluster's key: ${errorMessage(error)}`);
  }
}
