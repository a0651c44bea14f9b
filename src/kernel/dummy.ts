// Creating dummy links: they drop what is sent by them, and can be a parent where there is no real one.

import { Encoder } from "./codec.ts";
import { aliasOf, ifla, iflaInfo, linkHeader } from "./link.ts";
import type { Request } from "./request.ts";
import { createFlags, rtm, say } from "./rtnetlink.ts";

export interface DummySpec {
  readonly name: string;
  readonly mtu?: number;
  readonly up?: boolean;
  readonly alias?: string;
}

/** `ip link add … type dummy`. Fails with EEXIST when the name is taken. */
export function createDummy({ name, mtu, up, alias }: DummySpec): Request {
  const encoder = new Encoder().struct(linkHeader(0, up)).string(ifla.name, name);
  if (mtu !== undefined) encoder.u32(ifla.mtu, mtu);
  encoder.nest(ifla.linkInfo, (info) => info.string(iflaInfo.kind, "dummy"));
  return {
    type: rtm.newLink,
    flags: createFlags,
    payload: encoder.finish(),
    words: say(`ip link add ${name}`, mtu !== undefined && `mtu ${mtu}`, up && "up", "type dummy"),
    ...aliasOf(name, alias),
  };
}
