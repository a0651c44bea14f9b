// What `tsdocker/driverkit` is to those who write drivers elsewhere: the kit, the values of IP, and errors that have a
// kind.

export * from "../netip/index.ts";
export {
  conflict,
  EngineError,
  type ErrorKind,
  errorKind,
  errorMessage,
  forbidden,
  hasCode,
  invalid,
  notFound,
  notImplemented,
  unavailable,
} from "../util/errors.ts";
export { type Log, silentLog } from "../util/log.ts";
export { Undo } from "../util/undo.ts";
export * from "./index.ts";
