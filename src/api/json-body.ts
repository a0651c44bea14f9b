// A request's JSON body, checked and refused as moby's httputils.ReadJSON does.

import type { IncomingMessage } from "node:http";
import { errorMessage, invalid } from "../util/errors.ts";
import type { Schema } from "./schemas/decode.ts";

/** No document of Docker's API comes near it. */
const bodyLimitBytes = 16 * 1024 * 1024;

/** Reads one JSON value; undefined when the body is empty. Throws invalid. */
export async function readJson<T>(request: IncomingMessage, schema: Schema<T>): Promise<T | undefined> {
  if (!hasBody(request)) return undefined;
  checkContentType(request.headers["content-type"] ?? "");
  const text = await readText(request);
  if (text.trim() === "") throw invalid("invalid JSON: got EOF while reading request body");
  const value = parse(text);
  if (value === null) return undefined;
  try {
    return schema.decode(value, "");
  } catch (error) {
    throw invalid(`invalid JSON: ${errorMessage(error)}`, error);
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return true;
  return headers["content-length"] !== undefined && headers["content-length"] !== "0";
}

function checkContentType(header: string): void {
  const mediaType = header.split(";")[0]?.trim().toLowerCase();
  if (mediaType !== "application/json")
    throw invalid(`unsupported Content-Type header (${header}): must be 'application/json'`);
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyLimitBytes)
      throw invalid(`invalid JSON: request body is larger than ${bodyLimitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = errorMessage(error);
    if (message.includes("after JSON")) throw invalid("unexpected content after JSON");
    throw invalid(`invalid JSON: ${message}`, error);
  }
}
