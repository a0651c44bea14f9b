// The daemon's answer: its body, and the error that a refusal becomes.

import { ApiError } from "../errors.ts";
import type { ResponseHead } from "./http.ts";

export interface EngineResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Read it to the end or leave it: an unread body ends with the command. */
  readonly body: AsyncIterable<Buffer>;
}

/** The answer to a request, with its body still to come. */
export function responseOf(head: ResponseHead, body: AsyncIterable<Buffer>): EngineResponse {
  return { status: head.status, headers: head.headers, body };
}

/** The text of a whole body. */
export async function collect(body: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

/** The refusal (a status of 400 and up) in the daemon's words, else in ours. */
export async function apiError(response: EngineResponse, url: string): Promise<Error> {
  const text = await collect(response.body);
  if (text === "") {
    const hint = "check if the server supports the requested API version";
    return new ApiError(
      response.status,
      `request returned ${response.status} for API route and version ${url}, ${hint}`,
    );
  }
  return new ApiError(response.status, errorText(text, response));
}

function errorText(text: string, response: EngineResponse): string {
  if (!response.headers.get("content-type")?.startsWith("application/json")) return text.trim();
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && "message" in body && body.message)
      return String(body.message).trim();
    return `API returned a ${response.status} but provided no error-message`;
  } catch {
    return text.trim(); // it only said that it was JSON
  }
}
