// Proxy variables that the settings file gives to every container (`proxies`).

import type { Session } from "../session.ts";

const variables = [
  ["httpProxy", "HTTP_PROXY"],
  ["httpsProxy", "HTTPS_PROXY"],
  ["ftpProxy", "FTP_PROXY"],
  ["noProxy", "NO_PROXY"],
  ["allProxy", "ALL_PROXY"],
] as const;

/** `NAME=value` in both cases, unless -e sets them. */
export function proxyVariables(session: Session, given: readonly string[]): string[] {
  const { proxies } = session.config.content;
  if (!proxies) return [];
  const settings = proxies[session.client.endpoint.url] ?? proxies.default;
  const names = new Set(given.map((pair) => pair.replace(/=.*/s, "")));
  return variables.flatMap(([key, name]) => {
    const value = settings?.[key];
    if (!value) return [];
    return [name, name.toLowerCase()].filter((one) => !names.has(one)).map((one) => `${one}=${value}`);
  });
}
