// What `npm start` says when the daemon is up: the next thing to type.

import type { Config } from "./config.ts";

export function printHint({ hosts }: Config): void {
  const [first] = hosts;
  if (!first) return;
  const address = first.kind === "unix" ? `unix://${first.path}` : `tcp://${first.host}:${first.port}`;
  const isDefault = first.kind === "unix" && first.path === "/var/run/docker.sock";
  const lines = [
    "",
    `tsdockerd is up on ${address}. In another terminal:`,
    "",
    ...(isDefault ? [] : [`  export DOCKER_HOST=${address}`]),
    "  npm run sample-images                      # busybox and nginx, made on this machine",
    "  bin/tsdocker network create -d bridge x1",
    "  bin/tsdocker run -d --name c1 --network x1 nginx",
    "  bin/tsdocker run -d --name c2 --network x1 -p 8080:80 nginx",
    "  bin/tsdocker exec c2 curl -s c1            # containers find each other by name",
    "  curl localhost:8080",
    "",
    "The docker command line works as well. Ctrl-C stops the containers and the daemon.",
    "",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
