// Progress of pulls, on a terminal and without.

import { describe, expect, it } from "vitest";
import { ProgressDisplay, type ProgressMessage, progressBar } from "../../../src/cli/progress.ts";
import { Caught } from "./fake-engine.ts";

function shown(isTerminal: boolean, messages: readonly ProgressMessage[]): string {
  const out = new Caught(isTerminal);
  const display = new ProgressDisplay(out, () => 120);
  for (const message of messages) display.show(message);
  return out.text;
}

const pull: readonly ProgressMessage[] = [
  { status: "Pulling from library/x", id: "latest" },
  { status: "Pulling fs layer", progressDetail: {}, id: "aaa" },
  { status: "Downloading", progressDetail: { current: 500, total: 1000 }, id: "aaa" },
  { status: "Pulling fs layer", progressDetail: {}, id: "bbb" },
  { status: "Pull complete", progressDetail: {}, id: "aaa" },
  { status: "Digest: sha256:1" },
];

describe("the progress of a pull", () => {
  it("is a line per step without bars where there is no terminal", () => {
    expect(shown(false, pull)).toBe(
      "latest: Pulling from library/x\naaa: Pulling fs layer\nbbb: Pulling fs layer\naaa: Pull complete\nDigest: sha256:1\n",
    );
  });

  it("redraws each layer's line in place on a terminal", () => {
    const bar = `[${"=".repeat(25)}>${" ".repeat(25)}]     500B/1kB`;
    expect(shown(true, pull)).toBe(
      "latest: Pulling from library/x\n" +
        "\n\x1b[1A\x1b[2K\raaa: Pulling fs layer \r\x1b[1B" +
        `\x1b[1A\x1b[2K\raaa: Downloading ${bar}\r\x1b[1B` +
        "\n\x1b[1A\x1b[2K\rbbb: Pulling fs layer \r\x1b[1B" +
        "\x1b[2A\x1b[2K\raaa: Pull complete \r\x1b[2B" +
        "Digest: sha256:1\n",
    );
  });

  it("throws the error in the stream", () => {
    expect(() => shown(false, [{ errorDetail: { message: "no space" }, error: "no space" }])).toThrow(
      "no space",
    );
  });

  it("shows what a build or load says as it is", () => {
    expect(shown(false, [{ stream: "Loaded image: x\n" }, { aux: {} }])).toBe("Loaded image: x\n");
  });
});

describe("a progress bar", () => {
  it("leaves parts out as the terminal gets narrow", () => {
    const detail = { current: 30, total: 100, start: 1000 };
    const now = 1_003_000;
    expect(progressBar(detail, 200, now)).toBe(`[${"=".repeat(15)}>${" ".repeat(35)}]      30B/100B 7s`);
    expect(progressBar(detail, 100, now)).toBe("     30B/100B 7s");
    expect(progressBar(detail, 40, now)).toBe("     30B/100B");
  });

  it("counts in other units, and without a total", () => {
    expect(progressBar({ current: 3, total: 4, units: "files" }, 40)).toBe("3/4 files");
    expect(progressBar({ current: 1500 }, 40)).toBe("   1.5kB");
    expect(progressBar({}, 40)).toBe("");
    expect(progressBar({ current: 200, total: 100 }, 40)).toBe("    200B");
  });
});
