// What an endpoint does for its sandbox's published ports.

/** What an endpoint is to its sandbox's ports. */
export interface ExternalRole {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Another endpoint publishes on IPv6 host addresses. */
  readonly ipv6Elsewhere: boolean;
  /** Ports are reached at its own addresses, whichever is the way out. */
  readonly isReached: boolean;
}

export const noRole: ExternalRole = { ipv4: false, ipv6: false, ipv6Elsewhere: false, isReached: false };

/** Whether it publishes anything. */
export function hasRole({ ipv4, ipv6, isReached }: ExternalRole): boolean {
  return ipv4 || ipv6 || isReached;
}

/** Whether nothing changes from one to the other. */
export function isSameRole(a: ExternalRole, b: ExternalRole): boolean {
  const isSameWay = a.ipv4 === b.ipv4 && a.ipv6 === b.ipv6 && a.ipv6Elsewhere === b.ipv6Elsewhere;
  return isSameWay && a.isReached === b.isReached;
}

/** What an endpoint may keep on its way from one role to the next. */
export function commonRole(a: ExternalRole, b: ExternalRole): ExternalRole {
  const [ipv4, ipv6] = [a.ipv4 && b.ipv4, a.ipv6 && b.ipv6];
  const ipv6Elsewhere = ipv4 && (a.ipv6Elsewhere || b.ipv6Elsewhere);
  return { ipv4, ipv6, ipv6Elsewhere, isReached: a.isReached && b.isReached };
}
