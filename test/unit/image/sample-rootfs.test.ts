// The builder behind scripts/sample-images: the same input gives the same bytes, in an order that every engine unpacks.

import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { daemonAddress } from "../../../scripts/sample/load.ts";
import { Rootfs } from "../../../scripts/sample/rootfs.ts";
import { tarEntries } from "../../../src/image/tar.ts";

async function entries(tar: Buffer): Promise<string[]> {
  const seen: string[] = [];
  async function* once() {
    yield tar;
  }
  for await (const { header, body } of tarEntries(once())) {
    const content = header.type === "file" ? ` ${await text(body)}` : "";
    seen.push(`${header.type} ${header.name}${header.linkname ? ` -> ${header.linkname}` : ""}${content}`);
  }
  return seen;
}

describe("Rootfs", () => {
  const build = () =>
    new Rootfs()
      .hardlink("bin/a", "bin/z")
      .file("/bin/z", "z", 0o755)
      .symlink("x/y/link", "target")
      .dir("tmp", 0o1777);

  it("makes parents, sorts, and puts hard links after their targets", async () => {
    expect(await entries(await build().tar())).toEqual([
      "directory bin",
      "file bin/z z",
      "directory tmp",
      "directory x",
      "directory x/y",
      "symlink x/y/link -> target",
      "link bin/a -> bin/z",
    ]);
  });

  it("gives the same bytes again", async () => {
    expect(await build().tar()).toEqual(await build().tar());
  });

  it("says what is missing", () => {
    expect(() => new Rootfs().read("etc/passwd")).toThrow("read etc/passwd from the image: no such file");
  });
});

describe("the daemon's address", () => {
  const before = process.env.DOCKER_HOST;
  afterEach(() => {
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
  });

  it("comes from DOCKER_HOST", () => {
    process.env.DOCKER_HOST = "unix:///tmp/x.sock";
    expect(daemonAddress()).toEqual({ socketPath: "/tmp/x.sock" });
    process.env.DOCKER_HOST = "";
    expect(daemonAddress()).toEqual({ socketPath: "/var/run/docker.sock" });
    expect(daemonAddress("tcp://[::1]:2376")).toEqual({ host: "::1", port: "2376" });
    expect(() => daemonAddress("ssh://host")).toThrow(/only unix:\/\/ and tcp:\/\//);
  });
});
