// Go templates: the language, its functions, its errors.

import { describe, expect, it } from "vitest";
import { parseTemplate } from "../../../../src/cli/template/template.ts";
import { goType, prepare } from "../../../../src/cli/template/values.ts";

const data = () =>
  prepare({
    Name: "web",
    Id: "abcdef",
    State: { Running: true, Pid: 42, Health: { Status: "healthy" } },
    Config: { Labels: { b: "2", a: "1" }, Cmd: ["nginx", "-g"], Env: null },
    Mounts: [
      { Type: "bind", RW: true },
      { Type: "volume", RW: false },
    ],
    NetworkSettings: { Networks: { x2: { IPAddress: "172.19.0.2" }, x1: { IPAddress: "172.18.0.2" } } },
    Empty: "",
    Zero: 0,
    Size: 12.5,
    Big: 1234567890123456789n,
  });

const run = (template: string, value: unknown = data()) => parseTemplate(template).run(value);
const failure = (template: string, value: unknown = data()) => {
  try {
    run(template, value);
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
};

describe("a template", () => {
  it.each([
    ["plain", "plain"],
    ["{{.Name}}", "web"],
    ["{{.State.Pid}} {{.State.Running}} {{.Size}} {{.Big}}", "42 true 12.5 1234567890123456789"],
    ["{{.NetworkSettings.Networks.x1.IPAddress}}", "172.18.0.2"],
    ["{{$.Name}}", "web"],
    ["{{/* a comment */}}x", "x"],
    ["{{.Config.Cmd}}", "[nginx -g]"],
    ["{{.Config.Labels}}", "map[a:1 b:2]"],
    ["{{.Config.Env}}|{{json .Config.Env}}", "[]|null"],
  ])("%s prints %s", (template, text) => {
    expect(run(template)).toBe(text);
  });

  it.each([
    ["a  {{- .Name -}}  b", "awebb"],
    ["a\n{{- /* gone */ -}}\nb", "ab"],
    ["{{- .Name}} x", "web x"],
    ["{{if true -}}\n  yes\n{{- end}}", "yes"],
  ])("%j trims white space at the dashes", (template, text) => {
    expect(run(template)).toBe(text);
  });

  it.each([
    ["{{if .State.Running}}up{{else}}down{{end}}", "up"],
    ["{{if .Empty}}a{{else if .Zero}}b{{else}}c{{end}}", "c"],
    ["{{with .State.Health}}{{.Status}}{{end}}", "healthy"],
    ["{{with .Empty}}x{{else}}none{{end}}", "none"],
    ["{{range .Mounts}}{{.Type}};{{end}}", "bind;volume;"],
    ["{{range $i, $m := .Mounts}}{{$i}}={{$m.Type}} {{end}}", "0=bind 1=volume "],
    [
      "{{range $name, $net := .NetworkSettings.Networks}}{{$name}}:{{$net.IPAddress}} {{end}}",
      "x1:172.18.0.2 x2:172.19.0.2 ",
    ],
    ["{{range .Config.Env}}x{{else}}empty{{end}}", "empty"],
    ["{{range .Mounts}}{{if .RW}}{{continue}}{{end}}{{.Type}}{{end}}", "volume"],
    ["{{range .Mounts}}{{.Type}}{{break}}{{end}}", "bind"],
    ["{{range $m := .Mounts}}{{$.Name}}{{end}}", "webweb"],
  ])("%s chooses and repeats", (template, text) => {
    expect(run(template)).toBe(text);
  });

  it.each([
    ["{{$x := .Name}}{{$x}}", "web"],
    ["{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"],
    ["{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"],
    ["{{with $h := .State.Health}}{{$h.Status}}{{end}}", "healthy"],
  ])("%s keeps variables in their scope", (template, text) => {
    expect(run(template)).toBe(text);
  });

  it.each([
    ["{{.Name | upper}}", "WEB"],
    ['{{.Config.Labels | json | printf "%s!"}}', '{"a":"1","b":"2"}!'],
    ['{{join .Config.Cmd ","}}', "nginx,-g"],
    ['{{index .Config.Labels "a"}}', "1"],
    ['{{index .Config.Labels "none"}}|', "|"],
    ["{{index .Config.Cmd 1}}", "-g"],
    ['{{(index .NetworkSettings.Networks "x1").IPAddress}}', "172.18.0.2"],
    ["{{slice .Id 0 3}}", "abc"],
    ["{{len .Mounts}} {{len .Name}} {{len .Config.Labels}}", "2 3 2"],
    ['{{split "a,b" ","}}', "[a b]"],
    ['{{title "some words"}} {{lower "ABC"}}', "Some Words abc"],
    ["{{pad .Name 1 2}}|{{pad .Empty 1 2}}|", " web  ||"],
    ["{{truncate .Id 3}} {{truncate .Name 9}}", "abc web"],
    ['{{print "a" 1 2 "b"}}|{{println "a" 1}}', "a1 2b|a 1\n"],
    [
      '{{printf "%-5s|%5s|%05d|%x|%q|%t|%.2f|%v|%%" "a" "b" 42 255 "q" true 1.5 .Config.Cmd}}',
      'a    |    b|00042|ff|"q"|true|1.50|[nginx -g]|%',
    ],
    ['{{printf "%d" "x"}} {{printf "%s"}} {{printf "x" 1}}', "%!d(string=x) %!s(MISSING) x%!(EXTRA int=1)"],
    ["{{not .Empty}} {{and .Name 7}} {{or .Empty .Name}} {{or .Zero .Empty}}|", "true 7 web |"],
    [
      '{{eq .Name "web"}} {{eq .Name "a" "web"}} {{ne .Zero 0}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge .State.Pid 42}}',
      "true true false true true false true",
    ],
    ["{{html `<a&b>`}} {{urlquery `a b&`}}", "&lt;a&amp;b&gt; a+b%26"],
    ["{{json .Name}} {{json .State.Health}} {{json `<&>`}}", '"web" {"Status":"healthy"} "<&>"'],
  ])("%s calls functions", (template, text) => {
    expect(run(template)).toBe(text);
  });

  it("does not evaluate what `and` and `or` need no more", () => {
    expect(run("{{or .Name .Nope}} {{and .Empty .Nope}}")).toBe("web ");
  });

  it.each([
    ['{{"a\\tb\\x41\\u00e9\\""}}', 'a\tbAé"'],
    ["{{`raw\\n`}}", "raw\\n"],
    ["{{'a'}} {{0x10}} {{-3}} {{1.5}} {{nil | json}}", undefined],
  ])("%s reads literals", (template, text) => {
    if (text === undefined) expect(run("{{'a'}} {{0x10}} {{-3}} {{1.5}}")).toBe("97 16 -3 1.5");
    else expect(run(template)).toBe(text);
  });

  it.each([
    ["{{", "template: :1: unclosed action"],
    ["{{.Name", "template: :1: unclosed action"],
    ["{{(.Name}}", "template: :1: unclosed left paren"],
    ["{{foo .}}", 'template: :1: function "foo" not defined'],
    ["{{$x}}", 'template: :1: undefined variable "$x"'],
    ["{{end}}", "template: :1: unexpected {{end}}"],
    ["a\n{{if .Name}}", "template: :2: unexpected EOF"],
    ["{{}}", "template: :1: missing value for command"],
    ["{{if}}x{{end}}", "template: :1: missing value for if"],
    ["{{break}}", "template: :1: {{break}} outside {{range}}"],
    ['{{"abc}}', "template: :1: unterminated quoted string"],
  ])("%j is refused as it is parsed", (template, text) => {
    expect(failure(template)).toBe(text);
  });

  it.each([
    ["{{.Nope}}", 'template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"'],
    [
      "x\n {{.State.Nope.More}}",
      'template: :2:9: executing "" at <.State.Nope.More>: map has no entry for key "Nope"',
    ],
    [
      "{{.Name.Nope}}",
      'template: :1:7: executing "" at <.Name.Nope>: can\'t evaluate field Nope in type string',
    ],
    [
      "{{slice .Id 0 9}}",
      'template: :1:2: executing "" at <slice .Id 0 9>: error calling slice: index out of range: 9',
    ],
    [
      "{{index .Mounts 5}}",
      'template: :1:2: executing "" at <index .Mounts 5>: error calling index: index out of range: 5',
    ],
    [
      '{{lt 1 "a"}}',
      'template: :1:2: executing "" at <lt 1 "a">: error calling lt: incompatible types for comparison',
    ],
  ])("%j fails where and as Go's does", (template, text) => {
    expect(failure(template)).toBe(text);
  });

  it("has no value for a key that a map lacks, and the zero of a field that a struct left out", () => {
    expect(run("{{.Config.Labels.nope}}")).toBe("<no value>");
    const stopped = prepare({ State: { Running: false }, HostConfig: {} });
    expect(run("{{if .State.Health}}h{{else}}-{{end}}{{.HostConfig.Binds}}", stopped)).toBe("-[]");
  });

  it("names the type of a row that lacks a field, and calls its methods", () => {
    const row = {
      ID: () => "1",
      Label: (name: string) => `<${name}>`,
      [goType]: "*formatter.ContainerContext",
    };
    expect(run('{{.ID}} {{.Label "a"}}', row)).toBe("1 <a>");
    expect(failure("{{.Foo}}", row)).toBe(
      'template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type *formatter.ContainerContext',
    );
  });
});
