import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Authority,
  certificateDigest,
  checkHostCertificate,
  createAuthority,
  createRequest,
  memberName,
  readAuthority,
  readHostCertificate,
  renewalTime,
  type Subject,
  signRequest,
} from "../../../../src/cluster/trust/index.ts";
import { formatAddress, parseAddress } from "../../../../src/netip/index.ts";

const now = new Date("2026-03-01T12:00:00Z");
const later = (days: number) => new Date(now.getTime() + days * 86_400_000);
const clusterId = "c1".repeat(16);
const address = (text: string) => parseAddress(text) ?? expect.fail(text);
const subject = (more: Partial<Subject> = {}): Subject => ({
  nodeId: "a1".repeat(16),
  clusterId,
  role: "node",
  addresses: [address("192.0.2.11")],
  ...more,
});

let authority: Authority;
beforeAll(async () => {
  authority = await createAuthority(clusterId, { now });
});

async function issue(more: Partial<Subject> = {}, lifetimeMs?: number) {
  const { request, key } = await createRequest(subject(more).nodeId);
  const validity = { now, ...(lifetimeMs !== undefined && { lifetimeMs }) };
  return { key, certificate: await signRequest(authority, request, subject(more), validity) };
}

describe("an authority", () => {
  test("says which cluster it is of, and may sign hosts but no further authority", () => {
    expect(readAuthority(authority.certificate).clusterId).toBe(clusterId);
    const certificate = new X509Certificate(authority.certificate);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
  });

  test("has a P-256 key of its own, and a digest of 32 bytes by which it is known", async () => {
    expect(createPrivateKey(authority.key).asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
    const other = await createAuthority(clusterId, { now });
    expect(certificateDigest(authority.certificate)).toHaveLength(32);
    expect(certificateDigest(other.certificate)).not.toEqual(certificateDigest(authority.certificate));
  });

  test("is not mistaken for a host, nor a host for an authority", async () => {
    expect(() => readHostCertificate(authority.certificate)).toThrow("not one of a cluster's host");
    const { certificate } = await issue();
    expect(() => readAuthority(certificate)).toThrow("not a cluster's authority");
    expect(() => readAuthority("nonsense")).toThrow(/^read the certificate: /);
  });
});

describe("a host's certificate", () => {
  test("reads back as it was meant", async () => {
    const { certificate } = await issue({ addresses: [address("192.0.2.11"), address("2001:db8::11")] });
    const host = readHostCertificate(certificate);
    expect(host).toMatchObject({ nodeId: subject().nodeId, clusterId, role: "node" });
    expect(host.addresses.map(formatAddress)).toEqual(["192.0.2.11", "2001:db8::11"]);
    expect(checkHostCertificate(certificate, authority.certificate, now)).toEqual(host);
  });

  test("belongs to the key that stayed with the host", async () => {
    const { certificate, key } = await issue();
    const own = createPublicKey(key).export({ type: "spki", format: "der" });
    expect(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" })).toEqual(own);
  });

  test("carries the members' name when the host is a member, and only then", async () => {
    const [member, node] = [await issue({ role: "member" }), await issue()];
    expect(new X509Certificate(member.certificate).checkHost(memberName)).toBe(memberName);
    expect(new X509Certificate(node.certificate).checkHost(memberName)).toBeUndefined();
    expect(readHostCertificate(member.certificate).role).toBe("member");
  });

  test("does for servers and for clients", async () => {
    const { certificate } = await issue();
    expect(new X509Certificate(certificate).keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  });

  test("takes nothing from the request but its key", async () => {
    const { request } = await createRequest(memberName);
    const certificate = await signRequest(authority, request, subject(), { now });
    expect(certificate).not.toContain(memberName);
    expect(readHostCertificate(certificate)).toMatchObject({ nodeId: subject().nodeId, role: "node" });
  });

  test("never outlives its authority", async () => {
    const { request } = await createRequest(subject().nodeId);
    const end = readAuthority(authority.certificate).notAfter;
    const certificate = await signRequest(authority, request, subject(), {
      now: new Date(end.getTime() - 1000),
    });
    expect(readHostCertificate(certificate).notAfter).toEqual(end);
  });
});

describe("a check of a certificate", () => {
  test("tells a clock that is behind from a certificate that is old", async () => {
    const { certificate } = await issue({}, 86_400_000);
    const check = (at: Date) => () => checkHostCertificate(certificate, authority.certificate, at);
    expect(check(later(0))).not.toThrow();
    expect(check(new Date(now.getTime() - 3_000_000))).not.toThrow();
    expect(check(later(-1))).toThrow(
      /valid from 2026-03-01T11:00:00.000Z and the clock here says 2026-02-28T12:00:00.000Z: set the clocks/,
    );
    expect(check(later(2))).toThrow(/expired at 2026-03-02T12:00:00.000Z/);
  });

  test("refuses what another cluster's authority has signed, even one of the same name", async () => {
    const impostor = await createAuthority(clusterId, { now });
    const { certificate } = await issue();
    expect(() => checkHostCertificate(certificate, impostor.certificate, now)).toThrow(
      /another cluster's authority/,
    );
  });
});

describe("a request", () => {
  test("is refused when somebody changed it", async () => {
    const { request } = await createRequest(subject().nodeId);
    const bytes = Buffer.from(request.replace(/-----[^-]+-----/g, ""), "base64");
    const last = bytes.length - 1;
    bytes.writeUInt8(bytes.readUInt8(last) ^ 1, last);
    const changed = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
    await expect(signRequest(authority, changed, subject(), { now })).rejects.toMatchObject({
      kind: "invalid",
    });
  });

  test.each([
    "",
    "nonsense",
    "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
  ])("is refused when it is none: %j", async (request) => {
    await expect(signRequest(authority, request, subject(), { now })).rejects.toMatchObject({
      kind: "invalid",
    });
  });

  test("of another kind of key is refused", async () => {
    const { loadX509 } = await import("../../../../src/cluster/trust/x509.ts");
    const { Pkcs10CertificateRequestGenerator } = await loadX509();
    const algorithm = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
    const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: algorithm });
    await expect(signRequest(authority, request.toString("pem"), subject(), { now })).rejects.toMatchObject({
      kind: "invalid",
    });
  });
});

test("a certificate is renewed around the middle of its life, each at its own moment", async () => {
  const times = await Promise.all(
    [1, 2, 3].map(async () => renewalTime(readHostCertificate((await issue()).certificate))),
  );
  for (const time of times) {
    expect(time.getTime()).toBeGreaterThan(later(44).getTime());
    expect(time.getTime()).toBeLessThan(later(55).getTime());
  }
  expect(new Set(times.map(Number)).size).toBe(3);
});
