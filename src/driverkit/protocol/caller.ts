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
  call(method: string, request?: object): Promise<Readonly<Record<string, unknown>>>;
}
