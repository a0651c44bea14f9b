// Values wrapped for containerd: JSON documents by type URL, protobuf messages by name.

import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import type { OciProcess, OciResources, OciSpec } from "./oci/schema.ts";

const oci = "types.containerd.io/opencontainers/runtime-spec/1";

/** Documents of the OCI runtime specification, under containerd's type URLs. */
export const anySpec = (spec: OciSpec) => json(`${oci}/Spec`, spec);
export const anyProcess = (process: OciProcess) => json(`${oci}/Process`, process);
export const anyResources = (resources: OciResources) => json(`${oci}/LinuxResources`, resources);

/** A message under its full name, without the prefix that protobuf's own Any has. */
export function anyMessage<D extends DescMessage>(schema: D, init: MessageInitShape<D>) {
  return { typeUrl: schema.typeName, value: toBinary(schema, create(schema, init)) };
}

function json(typeUrl: string, value: unknown) {
  return { typeUrl, value: Buffer.from(stringify(value)) };
}

// Go reads 64-bit numbers that JavaScript would round (RLIM_INFINITY): bigints are written digit by digit.
function stringify(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) =>
    typeof part === "bigint" ? rawJson(part.toString()) : part,
  );
}

// ES2026; TypeScript's library does not know it yet.
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): unknown };
