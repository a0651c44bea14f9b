// What a call ends with when its caller's signal fired.

import { EngineError } from "../util/errors.ts";

/** An error of kind "cancelled" that keeps the signal's reason as its cause. */
export function cancelled(doing: string, signal: AbortSignal): EngineError {
  return new EngineError("cancelled", `${doing}: cancelled`, { cause: signal.reason });
}
