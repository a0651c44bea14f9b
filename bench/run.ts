// npm run bench [-- measures…]: tsdockerd beside dockerd, in the same minutes, through the same client.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { type Daemon, daemonNames, startDaemon } from "./daemons.ts";
import type { Measure, Sizes } from "./measure.ts";
import { cliMeasure } from "./measures/cli.ts";
import { connectMeasure } from "./measures/connect.ts";
import { dnsMeasure } from "./measures/dns.ts";
import { firewallMeasure } from "./measures/firewall.ts";
import { floorMeasure } from "./measures/floor.ts";
import { forwardMeasure } from "./measures/forward.ts";
import { networksMeasure } from "./measures/networks.ts";
import { overlayMeasure } from "./measures/overlay.ts";
import { pluginsMeasure } from "./measures/plugins.ts";
import { portsMeasure } from "./measures/ports.ts";
import { publishedMeasure } from "./measures/published.ts";
import { rateMeasure } from "./measures/rate.ts";
import { restartMeasure } from "./measures/restart.ts";
import { runMeasure } from "./measures/run.ts";
import { startMeasure } from "./measures/start.ts";
import { keep, Report, tableOf } from "./report.ts";

const run = promisify(execFile);
const scripts = join(import.meta.dirname, "../scripts");

const measures: readonly Measure[] = [
  floorMeasure,
  startMeasure,
  restartMeasure,
  runMeasure,
  networksMeasure,
  connectMeasure,
  portsMeasure,
  publishedMeasure,
  firewallMeasure,
  rateMeasure,
  forwardMeasure,
  dnsMeasure,
  overlayMeasure,
  pluginsMeasure,
  cliMeasure,
];

const usage = `usage: bench [options] [${measures.map(({ name }) => name).join(" | ")}]…
  --rounds N           containers per daemon and kind of network (20)
  --networks N[,M]     networks made by tsdockerd and by dockerd (500,200)
  --ports N,…          published ports of one container (1,100,1000)
  --dockerd-ports N,…  the same for dockerd, which takes a minute for 1000 (1,100)
  --starts N           starts of each daemon (5)
  --no-dockerd         leave dockerd out
  --no-bundle          measure what is in dist/ as it is
  --keep               write bench/results/ (always done when all measures run)`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      rounds: { type: "string", default: "20" },
      networks: { type: "string", default: "500,200" },
      ports: { type: "string", default: "1,100,1000" },
      "dockerd-ports": { type: "string", default: "1,100" },
      starts: { type: "string", default: "5" },
      dockerd: { type: "boolean", default: true },
      bundle: { type: "boolean", default: true },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const unknown = positionals.filter((name) => !measures.some((measure) => measure.name === name));
  if (values.help || unknown.length > 0) {
    console.error(usage);
    return values.help ? 0 : 125;
  }
  const [ownNetworks = 500, theirNetworks = 200] = numbers(values.networks);
  const sizes: Sizes = {
    rounds: Number(values.rounds),
    networks: { tsdockerd: ownNetworks, dockerd: theirNetworks },
    ports: { tsdockerd: numbers(values.ports), dockerd: numbers(values["dockerd-ports"]) },
    starts: Number(values.starts),
  };
  await run(process.execPath, [join(scripts, "sample-images.ts"), "--no-load"]);
  if (values.bundle) await run(process.execPath, [join(scripts, "bundle.mjs")]);
  const chosen = measures.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const startedAt = new Date();
  const rows = await measure(chosen, sizes, values.dockerd);
  console.log(tableOf(rows));
  if (values.keep || positionals.length === 0) console.error(`kept in ${await keep(rows, startedAt)}`);
  return 0;
}

function numbers(text: string): number[] {
  return text.split(",").map(Number);
}

async function measure(chosen: readonly Measure[], sizes: Sizes, withDockerd: boolean) {
  const report = new Report();
  const say = (text: string) => console.error(text);
  for (const { name, run: go } of chosen.filter(({ needsDaemons }) => !needsDaemons)) {
    say(`measuring ${name}`);
    await go({ daemons: [], report, sizes, say });
  }
  const withDaemons = chosen.filter(({ needsDaemons }) => needsDaemons);
  if (withDaemons.length === 0) return report.rows();
  await using stack = new AsyncDisposableStack();
  const daemons: Daemon[] = [];
  for (const name of daemonNames)
    if (withDockerd || name !== "dockerd") daemons.push(stack.use(await startDaemon(name)));
  for (const { name, run: go } of withDaemons) {
    say(`measuring ${name}`);
    await go({ daemons, report, sizes, say });
  }
  return report.rows();
}

process.exitCode = await main();
