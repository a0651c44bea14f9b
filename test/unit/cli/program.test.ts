// The program and its tree of commands: dispatch, help, wrong words.

import { describe, expect, it } from "vitest";
import { isGroup } from "../../../src/cli/tree/entry.ts";
import { tree } from "../../../src/cli/tree/tree.ts";
import { runCli } from "./fake-engine.ts";

const run = (...argv: string[]) => runCli(argv, { DOCKER_CONFIG: "/nowhere", HOME: "/root" });

describe("the program", () => {
  it("shows its commands on --help, and on stderr when nothing is asked", async () => {
    const asked = await run("--help");
    expect(asked).toMatchObject({ exitCode: 0, stderr: "" });
    expect(asked.stdout).toContain(
      "Usage:  tsdocker [OPTIONS] COMMAND\n\nA self-sufficient runtime for containers",
    );
    expect(asked.stdout).toMatch(
      /\nCommon Commands:\n {2}run {9}Create and run a new container from an image\n/,
    );
    expect(asked.stdout).toMatch(/\nManagement Commands:\n(.*\n)? {2}container {3}Manage containers\n/);
    expect(asked.stdout).toContain("\nRun 'tsdocker COMMAND --help' for more information on a command.\n");
    const none = await run();
    expect(none).toMatchObject({ exitCode: 0, stdout: "", stderr: asked.stdout });
  });

  it("says its version", async () => {
    expect((await run("--version")).stdout).toMatch(/^tsdocker version \d+\.\d+\.\d+\n$/);
    expect((await run("-v")).stdout).toMatch(/^tsdocker version /);
  });

  it("refuses a command it does not know, with exit code 1", async () => {
    expect(await run("nope", "x")).toEqual({
      stdout: "",
      stderr: "tsdocker: unknown command: tsdocker nope\n\nRun 'tsdocker --help' for more information\n",
      exitCode: 1,
    });
    const inGroup = await run("network", "nope");
    expect(inGroup.stderr).toBe(
      "tsdocker: unknown command: tsdocker network nope\n\nUsage:  tsdocker network\n\nRun 'tsdocker network --help' for more information\n",
    );
    expect((await run("help", "nope")).stderr).toBe("unknown help topic: nope\n");
  });

  it("refuses a flag it does not know, with exit code 125", async () => {
    expect(await run("--nope")).toMatchObject({
      exitCode: 125,
      stderr:
        "unknown flag: --nope\n\nUsage:  tsdocker [OPTIONS] COMMAND [ARG...]\n\nRun 'tsdocker --help' for more information\n",
    });
    expect(await run("run", "--nope", "x")).toMatchObject({
      exitCode: 125,
      stderr:
        "unknown flag: --nope\n\nUsage:  tsdocker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'tsdocker run --help' for more information\n",
    });
    expect(await run("network", "--nope")).toMatchObject({ exitCode: 125 });
  });

  it("counts arguments", async () => {
    expect((await run("run")).stderr).toBe(
      "tsdocker: 'tsdocker run' requires at least 1 argument\n\nUsage:  tsdocker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nSee 'tsdocker run --help' for more information\n",
    );
    expect((await run("network", "create")).stderr).toMatch(
      /^tsdocker: 'tsdocker network create' requires 1 argument\n/,
    );
    expect((await run("ps", "x")).stderr).toMatch(/^tsdocker: 'tsdocker ps' accepts no arguments\n/);
    expect((await run("port")).stderr).toMatch(
      /^tsdocker: 'tsdocker port' requires at least 1 and at most 2 arguments\n/,
    );
  });

  it("shows a command's help by --help, by -h, and by help", async () => {
    const { stdout, exitCode } = await run("network", "rm", "--help");
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`Usage:  tsdocker network rm NETWORK [NETWORK...]

Remove one or more networks

Aliases:
  tsdocker network rm, tsdocker network remove

Options:
  -f, --force   Do not error if the network does not exist
`);
    expect((await run("help", "network", "rm")).stdout).toBe(stdout);
    const short = "Flag shorthand -h has been deprecated, use --help\n";
    expect((await run("network", "rm", "-h")).stdout).toBe(short + stdout);
  });

  it("says where there is no daemon", async () => {
    const cannot =
      "Cannot connect to the Docker daemon at unix:///nowhere/x.sock. Is the docker daemon running?";
    expect(await run("-H", "unix:///nowhere/x.sock", "ps")).toEqual({
      stdout: "",
      stderr: `${cannot}\n`,
      exitCode: 1,
    });
    expect(await run("-H", "unix:///nowhere/x.sock", "run", "x")).toMatchObject({
      exitCode: 125,
      stderr: `tsdocker: ${cannot}\n\nRun 'tsdocker run --help' for more information\n`,
    });
  });

  it("refuses two hosts and hosts of unknown kind", async () => {
    const prefix = "Failed to initialize: unable to resolve docker endpoint: ";
    expect((await run("-H", "a", "-H", "b", "ps")).stderr).toBe(`${prefix}Specify only one -H\n`);
    expect((await run("-H", "foo://a", "ps")).stderr).toBe(`${prefix}invalid bind address format: foo://a\n`);
  });
});

describe("the tree of commands", () => {
  it("loads every command, each with help that names its path", async () => {
    for (const entry of tree) {
      const paths = isGroup(entry) ? entry.commands.map((child) => [entry.name, child.name]) : [[entry.name]];
      for (const path of paths) {
        const { stdout, exitCode } = await run(...path, "--help");
        expect(exitCode, path.join(" ")).toBe(0);
        expect(stdout.startsWith(`Usage:  tsdocker ${path.join(" ")}`), path.join(" ")).toBe(true);
      }
    }
  });

  it("has no name twice", () => {
    const names = tree.map((entry) => entry.name);
    expect(new Set(names).size).toBe(names.length);
  });
});
