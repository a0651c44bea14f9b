// Platforms: read, shown, and the best of a list.

import { describe, expect, it } from "vitest";
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  type Platform,
  parsePlatform,
} from "../../../src/image/platform.ts";

const linux = (architecture: string, variant?: string): Platform => ({
  os: "linux",
  architecture,
  ...(variant && { variant }),
});
const choose = (choices: Platform[], wanted: Platform) =>
  choosePlatform(
    choices.map((platform) => ({ platform })),
    wanted,
  )?.platform;

describe("platforms", () => {
  it("are read in all spellings", () => {
    const host = linux("arm64");
    expect(parsePlatform("linux/amd64")).toEqual(linux("amd64"));
    expect(parsePlatform("linux/x86_64")).toEqual(linux("amd64"));
    expect(parsePlatform("linux/arm64/v8")).toEqual(linux("arm64"));
    expect(parsePlatform("linux/arm/v6")).toEqual(linux("arm", "v6"));
    expect(parsePlatform("aarch64")).toEqual(linux("arm64"));
    expect(parsePlatform("linux", host)).toEqual(host);
  });

  it.each(["", "a/b/c/d", "linux/", "linux/amd 64"])("refuse %j", (text) => {
    expect(() => parsePlatform(text)).toThrow(/is an invalid OS or architecture/);
  });

  it("are this machine's", () => {
    expect(hostPlatform("x64")).toEqual(linux("amd64"));
    expect(hostPlatform("arm64")).toEqual(linux("arm64"));
  });

  it("are written with their variant only where it is not the usual one", () => {
    expect(formatPlatform(linux("arm64", "v8"))).toBe("linux/arm64");
    expect(formatPlatform(linux("arm", "v6"))).toBe("linux/arm/v6");
  });

  it("are chosen exactly, else the newest older variant", () => {
    const all = [
      linux("amd64"),
      linux("arm", "v5"),
      linux("arm", "v6"),
      linux("arm", "v7"),
      linux("arm64", "v8"),
    ];
    expect(choose(all, linux("amd64"))).toEqual(linux("amd64"));
    expect(choose(all, linux("arm64"))).toEqual(linux("arm64", "v8"));
    expect(choose(all, linux("arm", "v7"))).toEqual(linux("arm", "v7"));
    expect(choose(all.slice(0, 3), linux("arm"))).toEqual(linux("arm", "v6"));
    expect(choose([linux("arm", "v7")], linux("arm", "v6"))).toBeUndefined();
    expect(choose(all, linux("s390x"))).toBeUndefined();
    expect(choosePlatform([{}], linux("amd64"))).toBeUndefined();
  });
});
