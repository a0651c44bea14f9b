// Replies by the bytes of the question, until the names change: most questions are asked again and again.

const most = 512;
/** A question that is asked often is short. */
const longest = 256;

/** Of one resolver; forgets everything when it is full or the names have changed. */
export class AnswerCache {
  readonly #replies = new Map<string, Buffer>();
  #version = -1;

  /** The reply to a question with these bytes (its id aside), or undefined. `version` is that of the names. */
  get(question: Buffer, version: number): Buffer | undefined {
    if (version !== this.#version || question.length > longest) return undefined;
    const reply = this.#replies.get(question.toString("latin1", 2));
    if (!reply) return undefined;
    reply[0] = question[0] ?? 0;
    reply[1] = question[1] ?? 0;
    return reply;
  }

  set(question: Buffer, reply: Buffer, version: number): void {
    if (question.length > longest) return;
    if (version !== this.#version || this.#replies.size >= most) this.#replies.clear();
    this.#version = version;
    this.#replies.set(question.toString("latin1", 2), Buffer.from(reply));
  }

  clear(): void {
    this.#replies.clear();
  }
}
