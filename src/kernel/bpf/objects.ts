// Maps and programs of eBPF, by the bpf(2) system call. Each lives as long as its descriptor, or a program or filter that
// holds it.

import { addon } from "../../../native/index.ts";
import { hasCode } from "../../util/errors.ts";
import { KernelError, sayingNow } from "../errors.ts";

/** BPF_* commands. */
const command = { createMap: 0, update: 2, delete: 3, loadProgram: 5, info: 15 } as const;
const hashMap = 1; // BPF_MAP_TYPE_HASH
const trafficControl = 3; // BPF_PROG_TYPE_SCHED_CLS
const nameSize = 16; // BPF_OBJ_NAME_LEN, its NUL included

export interface MapSpec {
  /** At most 15 letters, digits and `_`; `bpftool map` shows it. */
  readonly name: string;
  /** Bytes. */
  readonly keySize: number;
  readonly valueSize: number;
  /** Their memory is taken at once. */
  readonly maxEntries: number;
}

/** A hash table that programs look into. Each call here is done when it returns, and costs about a microsecond. */
export class BpfMap implements Disposable {
  readonly fd: number;
  readonly #spec: MapSpec;
  #isOpen = true;

  private constructor(fd: number, spec: MapSpec) {
    this.fd = fd;
    this.#spec = spec;
  }

  /** @throws KernelError: ENOSYS, EPERM where there is, or may be, no eBPF; ENOMEM */
  static create(spec: MapSpec): BpfMap {
    const attributes = Buffer.alloc(48);
    for (const [at, value] of [hashMap, spec.keySize, spec.valueSize, spec.maxEntries].entries())
      attributes.writeUInt32LE(value, 4 * at);
    attributes.write(spec.name.slice(0, nameSize - 1), 28);
    return new BpfMap(bpf(`bpftool map create ${spec.name}`, command.createMap, attributes), spec);
  }

  /** Adds, or replaces at once. @throws KernelError E2BIG when it is full and has no such key */
  set(key: Uint8Array, value: Uint8Array): void {
    this.#check(value, this.#spec.valueSize);
    this.#change(`bpftool map update ${this.#spec.name}`, command.update, key, value);
  }

  /** A key that is not there is success. */
  delete(key: Uint8Array): void {
    try {
      this.#change(`bpftool map delete ${this.#spec.name}`, command.delete, key);
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
    }
  }

  /** Idempotent; programs that use it keep it. */
  [Symbol.dispose](): void {
    if (this.#isOpen) addon().fdClose(this.fd);
    this.#isOpen = false;
  }

  #change(words: string, what: number, key: Uint8Array, value?: Uint8Array): void {
    this.#check(key, this.#spec.keySize);
    if (!this.#isOpen) throw new Error(`${words}: the map is closed`);
    const attributes = Buffer.alloc(32);
    attributes.writeUInt32LE(this.fd, 0);
    bpf(words, what, attributes, [8, key, ...(value ? [16, value] : [])]);
  }

  // the kernel reads as much as the map's spec says
  #check(bytes: Uint8Array, size: number): void {
    if (bytes.length !== size)
      throw new RangeError(`${bytes.length} bytes for ${size} of map ${this.#spec.name}`);
  }
}

export interface ProgramSpec {
  /** At most 15 letters, digits and `_`. */
  readonly name: string;
  /** See `assemble`. */
  readonly instructions: Uint8Array;
}

/** A loaded program for traffic control. */
export class BpfProgram implements Disposable {
  readonly fd: number;
  readonly name: string;
  /** The kernel's, of which no two have the same: filters tell it. */
  readonly id: number;
  #isOpen = true;

  private constructor(fd: number, name: string) {
    this.fd = fd;
    this.name = name;
    this.id = idOf(fd, name);
  }

  /** @throws KernelError with the end of what the kernel's verifier says: EINVAL, EACCES; ENOSYS, EPERM */
  static load(spec: ProgramSpec): BpfProgram {
    const words = `bpftool prog load ${spec.name}`;
    try {
      return new BpfProgram(load(words, spec), spec.name);
    } catch (error) {
      const said = hasCode(error, "EINVAL", "EACCES") ? complaint(spec) : "";
      if (!(error instanceof KernelError) || said === "") throw error;
      throw new KernelError(words, error.errno, said);
    }
  }

  /** Idempotent; filters that use it keep it. */
  [Symbol.dispose](): void {
    if (this.#isOpen) addon().fdClose(this.fd);
    this.#isOpen = false;
  }
}

function load(words: string, { name, instructions }: ProgramSpec, log?: Buffer): number {
  const attributes = Buffer.alloc(64);
  // none of the functions that we call asks for the GPL
  const license = Buffer.from("Apache-2.0\0");
  attributes.writeUInt32LE(trafficControl, 0);
  attributes.writeUInt32LE(instructions.length / 8, 4);
  attributes.writeUInt32LE(log ? 1 : 0, 24);
  attributes.writeUInt32LE(log?.length ?? 0, 28);
  attributes.write(name.slice(0, nameSize - 1), 48);
  const pointers = [8, instructions, 16, license, ...(log ? [32, log] : [])];
  return bpf(words, command.loadProgram, attributes, pointers);
}

/** The last lines of the verifier's log: what is wrong, and where. */
function complaint(spec: ProgramSpec): string {
  const log = Buffer.alloc(65_536);
  try {
    addon().fdClose(load("", spec, log));
  } catch {
    const lines = log
      .toString("latin1", 0, Math.max(log.indexOf(0), 0))
      .trimEnd()
      .split("\n");
    return lines
      .filter((line) => !line.startsWith("processed "))
      .slice(-3)
      .join("; ");
  }
  return "";
}

function idOf(fd: number, name: string): number {
  const attributes = Buffer.alloc(16);
  const info = Buffer.alloc(8); // the type, and then the id
  attributes.writeUInt32LE(fd, 0);
  attributes.writeUInt32LE(info.length, 4);
  bpf(`bpftool prog show ${name}`, command.info, attributes, [8, info]);
  return info.readUInt32LE(4);
}

function bpf(
  words: string,
  what: number,
  attributes: Buffer,
  pointers: readonly (number | Uint8Array)[] = [],
): number {
  return sayingNow(words, () => addon().bpf(what, attributes, pointers));
}
