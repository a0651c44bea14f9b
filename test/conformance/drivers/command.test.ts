// `tsdocker driver verify` as its user meets it.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

const root = join(import.meta.dirname, "../../..");

/** Runs it; rejects never. */
function verify(...words: readonly string[]) {
  const args = ["--disable-warning=ExperimentalWarning", "src/cli/main.ts", "driver", "verify", ...words];
  return new Promise<{ code: number | undefined; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(process.execPath, args, { cwd: root }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? undefined, stdout, stderr }),
    );
  });
}

/** A folder with an index.ts of this text. */
async function folderOf(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tsdocker-verify-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "index.ts"), text);
  return folder;
}

test("what cannot be loaded is told in one line, which says what to do", async () => {
  const needy = await folderOf('import "left-pad"; export const contract = 1; export default () => ({});');
  const [missing, uninstalled] = await Promise.all([verify("./nowhere.ts"), verify(needy)]);
  expect(missing).toMatchObject({ stdout: "", stderr: `${root}/nowhere.ts: no such file or folder\n` });
  expect(missing.code).not.toBe(0);
  expect(uninstalled.stderr).toMatch(/^.*left-pad.*npm install.*\n$/);
});

test("a driver that breaks a rule fails the command, which says which rule, which calls, and what to do", async () => {
  const smallest = join(root, "examples/smallest-driver/index.ts");
  const folder = await folderOf(`
    import make from ${JSON.stringify(smallest)};
    export const contract = 1;
    export default (host) => ({ ...make(host), deleteNetwork: async () => undefined });
  `);
  const { code, stdout } = await verify("--only", "networks/delete,networks/peers", folder);
  expect(code).toBe(1);
  expect(stdout).toContain("FAIL networks         0 of 1, 1 not applicable");
  expect(stdout).toMatch(
    /networks\/delete: .*\n +expected .*\n +got +links: xb\w+ \(bridge\) is there\n +hint /,
  );
  expect(stdout).toMatch(/the last calls:\n +createNetwork\(.*\n +deleteNetwork\(.*\) -> undefined\n/);
  expect(stdout).toContain("1 rule is not about it: the driver has no peers (networks/peers).");
  expect(stdout).toContain("the driver breaks 1 rule.\nTo run what failed alone: --only ");
});
