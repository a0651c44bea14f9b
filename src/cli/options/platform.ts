// Platforms: os[/arch[/variant]].

/** As the API's JSON; undefined for "". */
export function platformQuery(platform: string): string | undefined {
  if (platform === "") return undefined;
  const [os = "", architecture = "", variant] = platform.toLowerCase().split("/");
  if (!/^[a-z0-9_-]+$/.test(os))
    throw new Error(`${JSON.stringify(os)} is an invalid OS component: invalid argument`);
  return JSON.stringify({ architecture, os, ...(variant ? { variant } : {}) });
}
