// How the fence behind iptables knows whose word a packet passed by: bits of its mark, set on its way through FORWARD and
// taken off by the fence, which is called next. Containers' marks end at their links: none of them can set these.

/**
 * `begun`: FORWARD is as we made it; `judged`: our chains were called. One that has begun and was not judged was accepted
 * before them, in DOCKER-USER: the user's word, which holds. After a flush there is neither, and the fence judges.
 */
export const fenceMarks = { begun: 0x4000_0000, judged: 0x1000_0000 } as const;
