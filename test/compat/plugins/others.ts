// Programs that others wrote, as they are, where somebody has put them: nothing here fetches or builds any.

import { existsSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../e2e/run.ts";
import type { LabHost } from "../../lab/lab.ts";

const root = process.env.TSDOCKER_PLUGINS ?? join(import.meta.dirname, "../../../.cache/plugins");

/** Whether a plugin is there, and may be run. */
export function hasPlugin(name: string): boolean {
  return existsSync(join(root, name)) && process.getuid?.() === 0;
}

export interface OthersPlugin extends AsyncDisposable {
  /** As an operator who updates it. */
  restart(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/**
 * Runs `python3 run.py` of a plugin's folder in a lab host. The socket that it puts into /run/docker/plugins appears in
 * `sockets`: it has a /run of its own. What it writes goes with a copy of the folder.
 */
export function startPython(name: string, where: Where): Promise<OthersPlugin> {
  return startPlugin(name, "exec python3 run.py", where);
}

export interface Where {
  readonly host: LabHost;
  readonly sockets: string;
  /** The name under which it listens, where that is not its folder's. */
  readonly socket?: string;
}

/** The same with a command of one's own, which is given the folder's copy as `$2`. */
export async function startPlugin(
  name: string,
  command: string,
  { host, sockets, socket: own = name }: Where,
): Promise<OthersPlugin> {
  const folder = await mkdtemp(join(tmpdir(), `${name}-`));
  await cp(join(root, name), folder, { recursive: true });
  const script = `mount -t tmpfs none /run && mkdir -p /run/docker/plugins && mount --bind "$1" /run/docker/plugins && cd "$2" && ${command}`;
  let process_: ReturnType<LabHost["spawn"]> | undefined;
  const socket = join(sockets, `${own}.sock`);
  const start = async () => {
    // one that was killed has left it
    await rm(socket, { force: true });
    process_ = host.spawn("unshare", ["-m", "sh", "-c", script, "sh", sockets, folder], {
      stdio: "ignore",
      env: { ...process.env, ENVIRONMENT: "production", PYTHONPATH: join(root, "python") },
    });
    await until(`${name} listens`, () => existsSync(socket));
  };
  const kill = async () => {
    const running = process_;
    process_ = undefined;
    if (!running || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await ended;
  };
  await start();
  return {
    start,
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    [Symbol.asyncDispose]: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
