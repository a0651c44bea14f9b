// Trust between hosts: a cluster's authority, hosts' certificates, and where both are kept.

export { type Authority, createAuthority, type Subject, signRequest } from "./authority.ts";
export {
  certificateDigest,
  checkHostCertificate,
  type HostCertificate,
  type HostRole,
  hostName,
  memberName,
  notYetValid,
  readAuthority,
  readHostCertificate,
} from "./certificate.ts";
export { renewalTime } from "./renewal.ts";
export { type CertificateRequest, createRequest } from "./request.ts";
export { createRevocationList } from "./revocation.ts";
export { type Credentials, TrustFiles, type TrustPaths } from "./trust-files.ts";
