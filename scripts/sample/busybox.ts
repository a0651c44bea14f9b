// busybox:latest: Debian's static busybox with a link for each applet.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { debianArchitecture, fetchPackages } from "./apt.ts";
import type { Recipe } from "./archive.ts";
import { Rootfs } from "./rootfs.ts";

const run = promisify(execFile);

export async function busybox(packages: string): Promise<{ recipe: Recipe; rootfs: Buffer }> {
  const [deb = ""] = await fetchPackages(packages, ["busybox-static"], /^(?!busybox-static$)/);
  const unpacked = new Rootfs();
  await unpacked.addPackage(deb, (path) => path.endsWith("bin/busybox"));
  const binary = unpacked.read("usr/bin/busybox");
  const rootfs = new Rootfs();
  rootfs.file("bin/busybox", binary, 0o755);
  for (const applet of await applets(binary)) rootfs.hardlink(applet, "bin/busybox");
  for (const dir of [
    "dev",
    "etc",
    "home",
    "proc",
    "sys",
    "usr/bin",
    "usr/sbin",
    "var/spool/mail",
    "var/www",
  ]) {
    rootfs.dir(dir);
  }
  rootfs.dir("root", 0o700).dir("tmp", 0o1777).dir("var/tmp", 0o1777).symlink("var/run", "../run").dir("run");
  for (const [path, body] of Object.entries(files)) rootfs.file(path, body);
  return { recipe: await recipe(), rootfs: await rootfs.tar() };
}

/** `bin/sh`, `usr/bin/wget`, …: the binary knows where each applet belongs. */
async function applets(binary: Buffer): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), "busybox-"));
  try {
    const path = join(dir, "busybox");
    await writeFile(path, binary, { mode: 0o755 });
    const { stdout } = await run(path, ["--list-full"]);
    return stdout.split("\n").filter((line) => line !== "" && !line.endsWith("/busybox"));
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function recipe(): Promise<Recipe> {
  return {
    name: "busybox:latest",
    architecture: await debianArchitecture(),
    createdBy: "BusyBox (Debian busybox-static)",
    config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["sh"] },
  };
}

const users = [
  "root:x:0:0:root:/root:/bin/sh",
  "daemon:x:1:1:daemon:/usr/sbin:/bin/false",
  "bin:x:2:2:bin:/bin:/bin/false",
  "sys:x:3:3:sys:/dev:/bin/false",
  "mail:x:8:8:mail:/var/spool/mail:/bin/false",
  "www-data:x:33:33:www-data:/var/www:/bin/false",
  "nobody:x:65534:65534:nobody:/home:/bin/false",
];
const groups =
  "root:0 daemon:1 bin:2 sys:3 tty:5 disk:6 mail:8 wheel:10 utmp:43 www-data:33 users:100 nobody:65534";

const files: Readonly<Record<string, string>> = {
  "etc/passwd": `${users.join("\n")}\n`,
  "etc/group": groups
    .split(" ")
    .map((one) => `${one.replace(":", ":x:")}:\n`)
    .join(""),
  "etc/shadow": "root:*:::::::\nnobody:*:::::::\n",
  "etc/hostname": "\n",
  "etc/nsswitch.conf": "hosts: files dns\n",
};
