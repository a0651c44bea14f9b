// What an endpoint does for its sandbox's published ports.

/** What an endpoint is to its sandbox's ports. */
export interface ExternalRole {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Another endpoint publishes on IPv6 host addresses. */
  readonly ipv6Elsewhere: boolean;
}

export const noRole: ExternalRole = { ipv4: false, ipv6: false, ipv6Elsewhere: false };

/** Whether nothing changes from one to the other. */
export function isSameRole(a: ExternalRole, b: ExternalRole): boolean {
  return a.ipv4 === b.ipv4 && a.ipv6 === b.ipv6 && a.ipv6Elsewhere === b.ipv6Elsewhere;
}

/** What an endpoint may keep on its way from one role to the next. */
export function commonRole(a: ExternalRole, b: ExternalRole): ExternalRole {
  const [ipv4, ipv6] = [a.ipv4 && b.ipv4, a.ipv6 && b.ipv6];
  return { ipv4, ipv6, ipv6Elsewhere: ipv4 && (a.ipv6Elsewhere || b.ipv6Elsewhere) };
}
