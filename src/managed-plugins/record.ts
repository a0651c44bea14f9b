// A managed plugin on record.

import type { PluginConfig } from "./config.ts";
import type { PluginSettings } from "./settings.ts";

export interface PluginRecord {
  readonly id: string;
  /** With its tag: `vendor/name:latest`. */
  readonly name: string;
  /** Where it came from, in full; of one made here its name. */
  readonly reference: string;
  /** The snapshot that is its root file system, and the lease that holds it. */
  readonly rootfs: string;
  readonly config: PluginConfig;
  readonly settings: PluginSettings;
  readonly isEnabled: boolean;
  /** How long one call may take; 0: as long as those to other plugins. */
  readonly timeoutS: number;
  /** The root file system as it travels, in the content store. */
  readonly layer: { readonly digest: string; readonly size: number; readonly mediaType: string };
}
