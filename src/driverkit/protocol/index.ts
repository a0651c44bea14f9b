// Docker's plugin protocol in the contract's words, for both of its ends.

export { type PluginAnswer, type PluginCaller, tellEnd } from "./caller.ts";
export { readPublished } from "./decode.ts";
export { Fields } from "./fields.ts";
export {
  endpointOptions,
  interfaceOf,
  ipv6Elsewhere,
  label,
  networkOptions,
  poolData,
  portOptions,
} from "./request.ts";
