// A netlink request as a value: made by the noun files, sent by a socket, shown in logs and transcripts by its words.

/** One netlink message to send. */
export interface Request {
  readonly type: number;
  /** NLM_F_* (see `nlmFlag`); `NLM_F_REQUEST` is added when it is sent. */
  readonly flags: number;
  readonly payload: Uint8Array;
  /** As iproute2 (or nft, conntrack) would say it: "ip link add br0 type bridge". */
  readonly words: string;
  /** Sent when this one succeeded, and only then: what the kernel ignores while it creates something. rtnetlink only. */
  readonly followedBy?: Request;
  /** Namespace files to open while the message is sent; the fd's number is written at `offset` of the payload. */
  readonly files?: readonly { readonly offset: number; readonly path: string }[];
}
