// Mounts, FIFOs and the process's own settings.

import { mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  makeFifo,
  mount,
  mountFlag,
  openFileLimit,
  setOpenFileLimit,
  unmount,
} from "../../../src/kernel/index.ts";

describe("mounts", () => {
  it("are made as asked for, and taken off", async () => {
    const target = mkdtempSync(join(tmpdir(), "tsdocker-mount-"));
    await mount({
      type: "tmpfs",
      target,
      flags: mountFlag.noSuid | mountFlag.noDev,
      data: "size=64k,mode=700",
    });
    writeFileSync(join(target, "x"), "");
    expect(readFileSync("/proc/self/mounts", "utf8")).toMatch(
      new RegExp(`${target} tmpfs rw,nosuid,nodev.*size=64k`),
    );
    await unmount(target);
    await expect(unmount(target)).rejects.toMatchObject({ code: "EINVAL" });
    rmdirSync(target);
  });

  it("that cannot be made say what was tried", async () => {
    await expect(
      mount({ type: "none", source: "/", target: "/run/none", flags: mountFlag.bind }),
    ).rejects.toMatchObject({
      code: "ENOENT",
      message: "mount / on /run/none: no such file or directory",
    });
    await expect(mount({ type: "nosuchfs", target: tmpdir() })).rejects.toMatchObject({ code: "ENODEV" });
  });
});

describe("the process", () => {
  it("makes FIFOs", () => {
    const path = join(tmpdir(), `tsdocker-fifo-${process.pid}`);
    makeFifo(path, 0o640);
    expect(statSync(path).isFIFO()).toBe(true);
    expect(() => makeFifo(path)).toThrow(`mkfifo ${path}: file exists`);
    rmSync(path);
  });

  it("knows how many files it may open, and may lower that", () => {
    const { soft, hard } = openFileLimit();
    expect(soft).toBeLessThanOrEqual(hard);
    setOpenFileLimit(soft - 1);
    expect(openFileLimit()).toEqual({ soft: soft - 1, hard });
    setOpenFileLimit(soft);
  });
});
