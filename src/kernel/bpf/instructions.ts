// eBPF instructions as values, and a program of them as the bytes that the kernel loads (struct bpf_insn; opcodes as in
// linux/bpf.h and linux/bpf_common.h). What programs do stands with those who need them.

/** r0: results; r1–r5: arguments, lost in a call; r6–r9: kept; r10: the end of the stack, which cannot be written. */
export type Register = "r0" | "r1" | "r2" | "r3" | "r4" | "r5" | "r6" | "r7" | "r8" | "r9" | "r10";
/** A number is of 32 bits, its sign extended to 64. */
export type Operand = Register | number;
/** Bytes that are loaded or stored at a time. */
export type Width = 1 | 2 | 4 | 8;
export type Condition = "==" | "!=" | ">" | ">=" | "<" | "<=" | "&";
export type Operation = "+" | "-" | "|" | "&" | "<<" | ">>";

export interface Instruction {
  readonly kind: "instruction";
  readonly code: number;
  readonly to?: Register;
  readonly from?: Register;
  readonly offset?: number;
  readonly value?: number;
  /** Where a jump goes: the name of a label further down. */
  readonly label?: string;
  /** It takes a second slot, of zeros. */
  readonly isWide?: boolean;
}

export interface Label {
  readonly kind: "label";
  readonly name: string;
}

export type Step = Instruction | Label;

/** Functions of the kernel, by their number (BPF_FUNC_*). Results are in r0. */
export const helper = {
  /** (map, key on the stack): pointer to the value, or 0. */
  lookUp: 1,
  /** (link index, 0): the verdict with which the packet leaves by that link. */
  redirect: 23,
  /** (context, PACKET_*): whom the frame is for. */
  changeType: 32,
  /** (link index, 0): the verdict with which the packet has come in by the link's other end. Linux 5.10. */
  redirectPeer: 155,
} as const;

/** Offsets in a traffic control program's context (struct __sk_buff); all fields have 4 bytes. */
export const context = { protocol: 16, hasTag: 20, link: 40, data: 76, dataEnd: 80 } as const;

const kinds = { ld: 0, ldx: 1, st: 2, stx: 3, jump: 5, alu64: 7 } as const;
const widths = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 } as const;
const memory = 0x60; // BPF_MEM
const isRegister = 0x08; // BPF_X
const operations = { "+": 0x00, "-": 0x10, "|": 0x40, "&": 0x50, "<<": 0x60, ">>": 0x70 } as const;
const moves = 0xb0;
const conditions = {
  "==": 0x10,
  ">": 0x20,
  ">=": 0x30,
  "&": 0x40,
  "!=": 0x50,
  "<": 0xa0,
  "<=": 0xb0,
} as const;
const always = 0x00;
const calls = 0x80;
const exits = 0x90;
const mapFd = "r1"; // BPF_PSEUDO_MAP_FD, where the source register stands

/** to = what is at (from + offset), zeros above it. */
export function load(width: Width, to: Register, from: Register, offset: number): Instruction {
  return instruction(kinds.ldx | memory | widths[width], { to, from, offset });
}

/** What is at (to + offset) = the register's low bytes, or a number. */
export function store(width: Width, to: Register, offset: number, what: Operand): Instruction {
  const kind = typeof what === "number" ? kinds.st : kinds.stx;
  return instruction(kind | memory | widths[width], { to, offset, ...operand(what) });
}

/** to = a register, or a number. */
export function move(to: Register, what: Operand): Instruction {
  return instruction(kinds.alu64 | moves | source(what), { to, ...operand(what) });
}

/** to = to and a register, or a number; of 64 bits, without a sign. */
export function calculate(to: Register, operation: Operation, what: Operand): Instruction {
  return instruction(kinds.alu64 | operations[operation] | source(what), { to, ...operand(what) });
}

/** to = the map of a descriptor, which the program keeps. */
export function loadMap(to: Register, fd: number): Instruction {
  return { ...instruction(kinds.ld | widths[8], { to, from: mapFd, value: fd }), isWide: true };
}

/** Calls a function of the kernel (see `helper`). */
export function call(number: number): Instruction {
  return instruction(kinds.jump | calls, { value: number });
}

/** Goes on at the label where the comparison, without signs, is true (`&`: where they have bits in common). */
export function jumpIf(left: Register, condition: Condition, right: Operand, label: string): Instruction {
  const code = kinds.jump | conditions[condition] | source(right);
  return instruction(code, { to: left, label, ...operand(right) });
}

/** Goes on at the label. */
export function jump(label: string): Instruction {
  return instruction(kinds.jump | always, { label });
}

/** Ends the program with the verdict that is in r0. */
export function exit(): Instruction {
  return instruction(kinds.jump | exits, {});
}

/** A place to jump to. */
export function label(name: string): Label {
  return { kind: "label", name };
}

/** The program's bytes. @throws RangeError for a jump to nowhere or backwards, and for what does not fit into its field */
export function assemble(steps: readonly Step[]): Buffer {
  const places = placesOf(steps);
  const bytes = Buffer.alloc(8 * places.end);
  let at = 0;
  for (const step of steps) {
    if (step.kind === "label") continue;
    write(
      bytes.subarray(8 * at),
      step,
      step.label === undefined ? 0 : distance(places.labels, step.label, at),
    );
    at += slots(step);
  }
  return bytes;
}

function instruction(code: number, parts: Omit<Instruction, "kind" | "code">): Instruction {
  return { kind: "instruction", code, ...parts };
}

function source(what: Operand): number {
  return typeof what === "number" ? 0 : isRegister;
}

function operand(what: Operand): Pick<Instruction, "from" | "value"> {
  return typeof what === "number" ? { value: what } : { from: what };
}

function slots({ isWide }: Instruction): number {
  return isWide ? 2 : 1;
}

function placesOf(steps: readonly Step[]) {
  const labels = new Map<string, number>();
  let end = 0;
  for (const step of steps)
    if (step.kind === "instruction") end += slots(step);
    else if (labels.has(step.name)) throw new RangeError(`assemble: two labels are named ${step.name}`);
    else labels.set(step.name, end);
  return { labels, end };
}

/** Slots between the one behind the jump and its label. */
function distance(labels: ReadonlyMap<string, number>, name: string, from: number): number {
  const place = labels.get(name);
  if (place === undefined || place <= from)
    throw new RangeError(`assemble: there is no label ${name} further down`);
  return place - from - 1;
}

function write(bytes: Buffer, { code, to, from, offset, value = 0 }: Instruction, jumped: number): void {
  bytes.writeUInt8(code, 0);
  bytes.writeUInt8(numberOf(to) | (numberOf(from) << 4), 1);
  bytes.writeInt16LE(offset ?? jumped, 2);
  bytes.writeInt32LE(value, 4);
}

function numberOf(register: Register | undefined): number {
  return register === undefined ? 0 : Number(register.slice(1));
}
