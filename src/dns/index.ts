// Names and answers, without a socket: zones, messages, and the files that tell a container whom to ask.

export { type Decision, decide, type View } from "./answer.ts";
export {
  addHostsLines,
  buildHosts,
  type HostEntry,
  type HostsRequest,
  ownLines,
  removeHostsLines,
} from "./hosts.ts";
export { editInPlace, writeGenerated } from "./mounted-file.ts";
export { answersQuery, type Parsed, parseQuery, type Query, questionEnd, rcodes } from "./query.ts";
export {
  encodeReply,
  movingRecords,
  type ReplyContent,
  refusal,
  relayReply,
  serverFailure,
  ttlSeconds,
  udpLimit,
} from "./reply.ts";
export {
  type BuiltResolvConf,
  buildResolvConf,
  type DnsOverrides,
  type NameServer,
  parseResolvConf,
  type ResolvConf,
  type ResolvConfRequest,
  type ServerAddress,
  usesSystemdStub,
} from "./resolv-conf.ts";
export { type ZoneRecord, Zones } from "./zones.ts";
