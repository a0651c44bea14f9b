// The progress stream of pull, push, load and import: a line per layer that is redrawn in place on a terminal; plain
// lines without the bars elsewhere.

import { humanSize } from "./format/units.ts";
import type { Output } from "./streams.ts";
import { terminalSize } from "./streams.ts";

interface ProgressDetail {
  readonly current?: number;
  readonly total?: number;
  readonly start?: number;
  readonly hidecounts?: boolean;
  readonly units?: string;
}

export interface ProgressMessage {
  readonly stream?: string;
  readonly status?: string;
  readonly progressDetail?: ProgressDetail | null;
  readonly progress?: string;
  readonly id?: string;
  readonly errorDetail?: { readonly message?: string } | null;
  readonly error?: string;
  readonly aux?: unknown;
}

/** Shows a whole stream. Throws the error the daemon put into it. */
export async function showProgress(out: Output, messages: AsyncIterable<unknown>): Promise<void> {
  const display = new ProgressDisplay(out, () => terminalSize(out).width);
  for await (const message of messages) display.show(message as ProgressMessage);
}

/** A line for each layer, redrawn in place on a terminal; elsewhere no bars are shown. */
export class ProgressDisplay {
  readonly #out: Output;
  readonly #width: () => number;
  /** Line of each layer, counted from the first one shown. */
  #lines = new Map<string, number>();

  constructor(out: Output, width: () => number) {
    this.#out = out;
    this.#width = width;
  }

  show(message: ProgressMessage): void {
    if (message.aux !== undefined) return;
    const { id } = message;
    if (!id || !(message.progressDetail || message.progress)) {
      this.#lines = new Map();
      this.#line(message);
      return;
    }
    if (!this.#lines.has(id)) {
      this.#lines.set(id, this.#lines.size);
      if (this.#out.isTerminal) this.#out.write("\n");
    }
    const up = this.#lines.size - (this.#lines.get(id) ?? 0);
    if (this.#out.isTerminal) this.#out.write(`\x1b[${up}A`);
    this.#line(message);
    if (this.#out.isTerminal) this.#out.write(`\x1b[${up}B`);
  }

  #line(message: ProgressMessage): void {
    const failure = message.errorDetail?.message ?? message.error;
    if (failure !== undefined) throw new Error(failure);
    const detail = message.progressDetail;
    const isBar = this.#out.isTerminal && !message.stream && detail;
    const bar = detail ? progressBar(detail, this.#out.isTerminal ? this.#width() : 200) : "";
    if (!isBar && bar !== "") return; // no bars without a terminal
    const start = isBar ? "\x1b[2K\r" : "";
    const id = message.id ? `${message.id}: ` : "";
    this.#out.write(start + id + lineText(message, bar, isBar ? "\r" : ""));
  }
}

function lineText(message: ProgressMessage, bar: string, end: string): string {
  const status = message.status ?? "";
  if (end !== "") return `${status} ${bar}${end}`;
  if (message.progress) return `${status} ${message.progress}`;
  return message.stream ? message.stream : `${status}\n`;
}

/** `[====>    ]  1.2MB/3.4MB`, as much of it as `width` columns allow. */
export function progressBar(detail: ProgressDetail, width: number, now = Date.now()): string {
  const { current = 0, total = 0, units = "" } = detail;
  if (current <= 0 && total <= 0) return "";
  if (total <= 0) return units === "" ? humanSize(current).padStart(8) : `${current} ${units}`;
  const half = Math.min(50, Math.trunc(Math.trunc((current / total) * 100) / 2));
  const bar = width > 110 ? `[${"=".repeat(half)}>${" ".repeat(50 - half)}] ` : "";
  const left = width > 50 && half < 50 ? timeLeft(detail, now) : "";
  return bar + (detail.hidecounts ? "" : counts(current, total, units)) + left;
}

function counts(current: number, total: number, units: string): string {
  const shown = units === "" ? humanSize(current).padStart(8) : `${current}`;
  const whole = units === "" ? humanSize(total) : `${total}`;
  const of = current > total ? "" : `/${whole}`;
  return shown + of + (units === "" ? "" : ` ${units}`);
}

function timeLeft(detail: ProgressDetail, now: number): string {
  const { current = 0, total = 0, start = 0 } = detail;
  if (current <= 0 || start <= 0) return "";
  const perEntry = (now - start * 1000) / current;
  return ` ${goSeconds(Math.round(((total - current) * perEntry) / 1000))}`;
}

function goSeconds(seconds: number): string {
  const h = Math.trunc(seconds / 3600);
  const m = Math.trunc((seconds % 3600) / 60);
  const s = seconds % 60;
  return h > 0 ? `${h}h${m}m${s}s` : m > 0 ? `${m}m${s}s` : `${s}s`;
}
