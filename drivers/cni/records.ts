// What the driver has on record: each network's chain as it was made, and each attachment with its result, so that a DEL
// can be run by whoever comes after a crash.

import type { Host } from "../../src/driverapi/index.ts";
import type { Chain, PortMapping, Run, RuntimeConfig } from "./chain.ts";
import type { Json } from "./conf.ts";
import type { Subject } from "./plugin.ts";

export interface NetworkRecord {
  readonly kind: "network";
  readonly networkId: string;
  readonly networkName: string;
  readonly chain: Chain;
}

export interface AttachmentRecord {
  readonly kind: "attachment";
  readonly networkId: string;
  readonly endpointId: string;
  readonly subject: Subject;
  readonly runtime: RuntimeConfig;
  /** Of the ADD; absent: that has not ended, or not well. */
  readonly result?: Json;
  /** What the plugins for ports were last told, or are being told. */
  readonly ports?: readonly PortMapping[];
}

type CniRecord = NetworkRecord | AttachmentRecord;

/** Over the driver's collection, by network and by endpoint id. */
export class CniRecords {
  readonly #records: Host["records"];

  constructor(records: Host["records"]) {
    this.#records = records;
  }

  network(networkId: string): NetworkRecord | undefined {
    const record = this.#get(networkId);
    return record?.kind === "network" ? record : undefined;
  }

  attachment(endpointId: string): AttachmentRecord | undefined {
    const record = this.#get(endpointId);
    return record?.kind === "attachment" ? record : undefined;
  }

  networks(): NetworkRecord[] {
    return this.#all().filter((record) => record.kind === "network");
  }

  attachments(): AttachmentRecord[] {
    return this.#all().filter((record) => record.kind === "attachment");
  }

  /** Resolves when it is on disk. */
  async put(record: CniRecord): Promise<void> {
    await this.#records.put(record.kind === "network" ? record.networkId : record.endpointId, record);
  }

  async delete(id: string): Promise<void> {
    if (this.#records.has(id)) await this.#records.delete(id);
  }

  #get(id: string): CniRecord | undefined {
    // nobody else writes here
    return this.#records.get(id) as CniRecord | undefined;
  }

  #all(): CniRecord[] {
    return [...this.#records.values()] as CniRecord[];
  }
}

/** An attachment's part in a run of the plugins that make its link. */
export function linkRun({ subject, runtime, result }: AttachmentRecord): Run {
  return { subject, runtime, ...(result && { result }) };
}

/** And of those that publish its ports. */
export function portsRun(record: AttachmentRecord, portMappings: readonly PortMapping[]): Run {
  return { ...linkRun(record), runtime: { ...record.runtime, portMappings } };
}
