import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type Credentials,
  createAuthority,
  createRequest,
  signRequest,
  TrustFiles,
} from "../../../../src/cluster/trust/index.ts";

let root: string;
let files: TrustFiles;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "trust-"));
  files = new TrustFiles(join(root, "trust"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function credentials(): Promise<Credentials> {
  const validity = { now: new Date() };
  const authority = await createAuthority("c", validity);
  const { request, key } = await createRequest("n");
  const subject = { nodeId: "n", clusterId: "c", role: "node", addresses: [] } as const;
  return {
    authority: authority.certificate,
    key,
    certificate: await signRequest(authority, request, subject, validity),
  };
}

test("a host without trust has none", async () => {
  expect(await files.read()).toBeUndefined();
  expect(await files.readAuthorityKey()).toBeUndefined();
});

test("what was written is read, and written again is replaced", async () => {
  const [first, second] = [await credentials(), await credentials()];
  await files.write(first);
  expect(trimmed(await files.read())).toEqual(trimmed(first));
  await files.write(second);
  expect(trimmed(await files.read())).toEqual(trimmed(second));
  expect(await readdir(files.folder)).toEqual(["authority.pem", "host.pem"]);
});

test("nobody but the owner can look into any of it", async () => {
  await files.write(await credentials());
  await files.writeAuthorityKey("secret");
  expect((await stat(files.folder)).mode & 0o777).toBe(0o700);
  for (const name of await readdir(files.folder))
    expect((await stat(join(files.folder, name))).mode & 0o777).toBe(0o600);
});

test("a key that others could read is refused, not used", async () => {
  await files.write(await credentials());
  await chmod(files.paths.host, 0o644);
  await expect(files.read()).rejects.toThrow(
    /host\.pem: others may use this file \(mode 644\): chmod 600 it/,
  );
});

test("a damaged file is named", async () => {
  await files.write(await credentials());
  await writeFile(files.paths.host, "nothing");
  await expect(files.read()).rejects.toThrow(/host\.pem: it should hold a private key and a certificate/);
});

test("the authority's key goes alone, and all goes together", async () => {
  await files.write(await credentials());
  await files.writeAuthorityKey("secret");
  await files.removeAuthorityKey();
  await files.removeAuthorityKey();
  expect(await files.readAuthorityKey()).toBeUndefined();
  await files.remove();
  await files.remove();
  expect(await readdir(root)).toEqual([]);
});

const trimmed = (of: Credentials | undefined) =>
  of && Object.fromEntries(Object.entries(of).map(([key, text]) => [key, text.trim()]));
