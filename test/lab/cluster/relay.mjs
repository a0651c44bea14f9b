// Runs inside a netns and connects from there for whoever is elsewhere: a unix socket has no netns. Arguments: the folder
// for the sockets, then targets as host:port. Says "ready" when it listens; ends with its input.

import { existsSync, unlinkSync } from "node:fs";
import net from "node:net";

const [folder, ...targets] = process.argv.slice(2);

for (const target of targets) {
  const colon = target.lastIndexOf(":");
  const [host, port] = [target.slice(0, colon), Number(target.slice(colon + 1))];
  const path = `${folder}/${target}`;
  if (existsSync(path)) unlinkSync(path);
  const server = net.createServer((near) => {
    const far = net.connect({ host, port });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  await new Promise((done) => server.listen(path, done));
}
process.stdout.write("ready\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
