// One daemon per network namespace: it has one firewall, and a second daemon would sweep the first one's links away, taking
// them for what a crash left. The claim is an abstract socket: it is of the namespace, and ends with the process.

import { createServer } from "node:net";
import { hasCode, unavailable } from "../util/errors.ts";

/** @throws unavailable when another process has it; returns how to let go */
export async function claimNetns(): Promise<() => Promise<void>> {
  const server = createServer((connection) => connection.destroy()).unref();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen("\0tsdockerd", resolve);
  try {
    await promise;
  } catch (error) {
    if (!hasCode(error, "EADDRINUSE")) throw error;
    throw unavailable(
      "failed to start daemon: another tsdockerd runs here; a second one needs a network namespace of its own",
    );
  }
  return () => new Promise((closed) => server.close(() => closed()));
}
