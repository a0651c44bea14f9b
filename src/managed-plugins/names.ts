// Names of managed plugins: references to a registry, as people write them, always with a tag.

import {
  canonicalName,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../image/index.ts";
import { invalid } from "../util/errors.ts";

export interface PluginName {
  /** `vendor/name:latest`. */
  readonly name: string;
  /** `docker.io/vendor/name:latest`. */
  readonly reference: string;
}

/** @throws invalid for what is no reference, and for digests */
export function readPluginName(text: string): PluginName {
  const reference = withDefaultTag(parseReference(text));
  if (reference.digest !== undefined) throw invalid("canonical references are not permitted");
  return { name: familiarString(reference), reference: canonicalName(reference) };
}

/** Where to pull from; a digest is welcome. @throws invalid */
export function readRemote(text: string): Reference {
  return withDefaultTag(parseReference(text));
}

/** What a plugin of this name is called on record; undefined for what can be no plugin's name. */
export function fullNameOf(text: string): string | undefined {
  try {
    return readPluginName(text).name;
  } catch {
    return undefined;
  }
}
