// Who uses iptables-legacy: nobody tells of its changes, but every program that makes one opens the lock first and closes
// it when it ends. So does one that only lists rules; iptables-save does not.

import { closeSync, constants, openSync } from "node:fs";
import { addon, readable } from "../../../native/index.ts";

/** XT_LOCK_NAME of iptables' xshared.h. */
const lockPath = "/run/xtables.lock";

/**
 * Calls `released` after a program has let go of iptables-legacy's lock, our own too, in whatever namespace it was: one
 * call for those of the same moment. The lock is made if it is not there.
 * @throws a system error: EROFS, or EMFILE when root watches too many files (fs.inotify.max_user_instances)
 */
export function watchIptablesLock(released: () => void, path = lockPath): Disposable {
  const native = addon();
  let end: () => void = () => undefined;
  const start = () => {
    // as iptables itself opens it
    closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT, 0o600));
    const fd = native.fileWatch(path);
    const poll = native.pollStart(fd, readable, () => {
      if (!native.fileWatchTake(fd)) {
        end();
        start();
      }
      released();
    });
    end = () => {
      end = () => undefined;
      native.pollStop(poll);
      native.fdClose(fd);
    };
  };
  start();
  return { [Symbol.dispose]: () => end() };
}
