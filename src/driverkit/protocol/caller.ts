// Who answers the calls of Docker's plugin protocol: a plugin on a socket, as the daemon hands it to a remote driver.

/** A plugin that is found, activated and called when it is needed. */
export interface PluginCaller {
  /** The driver's name: that of the plugin's socket or file. */
  readonly name: string;
  /**
   * Calls `NetworkDriver.Join` and alike; without a request the body is empty. Answers the reply as it came, an object.
   * @throws not-implemented when the plugin has no such method; unavailable when it does not answer, is not there, or
   * answers what is none; internal with the plugin's own words when it refuses
   */
  call(method: string, request?: object): Promise<PluginAnswer>;
  /**
   * Tells it of an end (`Leave`, `ReleaseAddress`…). Where it cannot be told now it will be, before it hears anything else,
   * also by a daemon that starts later: undefined then. It may be told twice. Absent: it is told now or never.
   * @throws not-implemented, internal: as `call`
   */
  owe?(method: string, request: object): Promise<PluginAnswer | undefined>;
  /**
   * Another text once the plugin has been started anew, as far as that can be seen; undefined while it is not there. Absent:
   * it never shows.
   */
  incarnation?(): Promise<string | undefined>;
}

/** As it came. */
export type PluginAnswer = Readonly<Record<string, unknown>>;

/** Tells a plugin of an end, now or when it is back. Undefined: not yet. @throws see `PluginCaller` */
export async function tellEnd(
  plugin: PluginCaller,
  method: string,
  request: object,
): Promise<PluginAnswer | undefined> {
  return plugin.owe ? await plugin.owe(method, request) : await plugin.call(method, request);
}
