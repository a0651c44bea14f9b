// Words to flags and arguments, as pflag reads them.

import { describe, expect, it } from "vitest";
import { HelpRequested, parseArgs } from "../../../../src/cli/flags/parse.ts";
import { bool, bytes, duration, int, list, map, strings, text } from "../../../../src/cli/flags/spec.ts";

const specs = [
  bool("interactive", "", { short: "i" }),
  bool("tty", "", { short: "t" }),
  bool("sig-proxy", "", { initial: "true" }),
  bool("no-trunc", ""),
  text("name", "", { initial: "none" }),
  list("publish", "", { short: "p" }),
  list("net", "", { sameAs: "network" }),
  list("network", ""),
  strings("alias", ""),
  map("opt", "", { short: "o" }),
  int("time", "", { deprecated: "use --timeout instead" }),
  int("timeout", "", { short: "t2".slice(1) }),
  bytes("memory", "", { short: "m" }),
  duration("interval", ""),
];

const parse = (...argv: string[]) => parseArgs(specs, argv, { interspersed: true });
const failure = (...argv: string[]) => {
  try {
    parse(...argv);
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
};

describe("a command line", () => {
  it("gives values by --name value and --name=value", () => {
    expect(parse("--name", "a").flags.string("name")).toBe("a");
    expect(parse("--name=a=b").flags.string("name")).toBe("a=b");
    expect(parse("--name=").flags.string("name")).toBe("");
  });

  it("gives a flag's initial value when it is absent, and says that it was", () => {
    const { flags } = parse();
    expect(flags.string("name")).toBe("none");
    expect(flags.bool("sig-proxy")).toBe(true);
    expect(flags.changed("name")).toBe(false);
    expect(flags.changedCount).toBe(0);
  });

  it("takes short flags in clusters, the last with its value attached or next", () => {
    const { flags } = parse("-itp80:80", "-p", "81:81", "-p=82:82");
    expect(flags.bool("interactive") && flags.bool("tty")).toBe(true);
    expect(flags.list("publish")).toEqual(["80:80", "81:81", "82:82"]);
  });

  it("turns booleans off by =false in any of Go's spellings", () => {
    for (const off of ["false", "0", "F", "FALSE"]) {
      expect(parse(`--sig-proxy=${off}`).flags.bool("sig-proxy")).toBe(false);
    }
    expect(parse("-i=false", "-t").flags.bool("interactive")).toBe(false);
  });

  it("takes --no-trunc for a flag of its own, not for the opposite of --trunc", () => {
    expect(parse("--no-trunc").flags.bool("no-trunc")).toBe(true);
    expect(parse("--no-trunc=false").flags.bool("no-trunc")).toBe(false);
  });

  it("leaves a boolean's next word alone", () => {
    const { flags, args } = parse("-i", "false");
    expect(flags.bool("interactive")).toBe(true);
    expect(args).toEqual(["false"]);
  });

  it("ends flags at --", () => {
    expect(parse("-i", "--", "-t", "x").args).toEqual(["-t", "x"]);
  });

  it("ends flags at the first word where the command asks for it", () => {
    const { flags, args } = parseArgs(specs, ["-i", "image", "-t", "--name", "x"], { interspersed: false });
    expect(flags.bool("tty")).toBe(false);
    expect(args).toEqual(["image", "-t", "--name", "x"]);
  });

  it("splits comma lists with quotes, and keeps plain lists whole", () => {
    expect(parse("--alias", 'a,"b,c"', "--alias", "d").flags.list("alias")).toEqual(["a", "b,c", "d"]);
    expect(parse("-p", "a,b").flags.list("publish")).toEqual(["a,b"]);
  });

  it("gathers the values of two names for one flag", () => {
    expect(parse("--net", "a", "--network", "b").flags.list("network")).toEqual(["a", "b"]);
  });

  it("reads sizes, integers and spans", () => {
    const { flags } = parse("-m", "1.5g", "--timeout", "-1", "--interval", "1m30s");
    expect(flags.number("memory")).toBe(1.5 * 1024 ** 3);
    expect(flags.number("timeout")).toBe(-1);
    expect(flags.number("interval")).toBe(90e9);
  });

  it("tells of a deprecated flag that is used", () => {
    expect(parse("--time", "3").warnings).toEqual(["Flag --time has been deprecated, use --timeout instead"]);
  });

  it.each([
    [["--nope"], "unknown flag: --nope"],
    [["--nope=1"], "unknown flag: --nope"],
    [["-Z"], "unknown shorthand flag: 'Z' in -Z"],
    [["-iZx"], "unknown shorthand flag: 'Z' in -Zx"],
    [["--name"], "flag needs an argument: --name"],
    [["-p"], "flag needs an argument: 'p' in -p"],
    [["---x"], "bad flag syntax: ---x"],
    [
      ["--sig-proxy=x"],
      'invalid argument "x" for "--sig-proxy" flag: strconv.ParseBool: parsing "x": invalid syntax',
    ],
    [
      ["--timeout", "x"],
      'invalid argument "x" for "-2, --timeout" flag: strconv.ParseInt: parsing "x": invalid syntax',
    ],
    [["-m", "5x"], `invalid argument "5x" for "-m, --memory" flag: invalid suffix: 'x'`],
    [["-m", "x"], `invalid argument "x" for "-m, --memory" flag: invalid size: 'x'`],
    [["--interval", "5"], 'invalid argument "5" for "--interval" flag: time: missing unit in duration "5"'],
  ])("refuses %j in pflag's words", (argv, text) => {
    expect(failure(...argv)).toBe(text);
  });

  it("asks for help at --help and -h before looking at the rest", () => {
    expect(() => parse("--help", "--nope")).toThrow(HelpRequested);
    expect(() => parse("-h")).toThrow(HelpRequested);
  });

  it("takes -h for a flag of that letter where there is one", () => {
    const own = [text("hostname", "", { short: "h" })];
    expect(parseArgs(own, ["-h", "web"], { interspersed: false }).flags.string("hostname")).toBe("web");
  });
});
