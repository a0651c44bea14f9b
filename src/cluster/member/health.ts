// Whether an etcd member serves: its own health page, which says yes only when a read got through a quorum.

import { get } from "node:https";
import { type Credentials, memberName } from "../trust/index.ts";

const longestAnswer = 4096;

/** Resolves when the member is well; rejects with why it is not. */
export async function checkHealth(
  where: { readonly address: string; readonly port: number },
  credentials: Credentials,
  timeoutMs: number,
): Promise<void> {
  const { status, text } = await ask(where, credentials, timeoutMs);
  if (status !== 200 || !/"health":\s*"?true/.test(text))
    throw new Error(`its health page says ${text.trim().slice(0, 200) || status}`);
}

function ask(
  { address, port }: { readonly address: string; readonly port: number },
  { authority, certificate, key }: Credentials,
  timeoutMs: number,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = get(
      {
        ...{ host: address, port, path: "/health", agent: false, servername: memberName },
        ...{ ca: authority, cert: certificate, key, minVersion: "TLSv1.3" },
        signal: AbortSignal.timeout(timeoutMs),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          if (text.length < longestAnswer) text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
        response.on("error", reject);
      },
    );
    request.on("error", reject);
  });
}
