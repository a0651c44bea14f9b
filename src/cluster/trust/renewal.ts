// When a certificate is renewed: early enough that a cluster may be out of reach for weeks, and not on all hosts at once.

import type { HostCertificate } from "./certificate.ts";

/** Between half and three fifths of a certificate's life, its place there by its serial: no two hosts agree. */
export function renewalTime({ notBefore, notAfter, serial }: HostCertificate): Date {
  const spread = (Number.parseInt(serial.slice(-4), 16) || 0) / 0xffff;
  const life = notAfter.getTime() - notBefore.getTime();
  return new Date(notBefore.getTime() + life * (0.5 + 0.1 * spread));
}
