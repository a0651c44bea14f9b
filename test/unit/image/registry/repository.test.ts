// A registry of a few lines on loopback, with bearer tokens, redirects and pages, as large registries have them.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describe as describeBytes, digestOf, mediaTypes } from "../../../../src/image/oci.ts";
import { parseChallenges, type RegistryAuth } from "../../../../src/image/registry/auth.ts";
import { Repository } from "../../../../src/image/registry/repository.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

const signal = new AbortController().signal;
let server: Server;
let base: string;
let handler: Handler;
let log: string[];
const open: Repository[] = [];

beforeEach(async () => {
  log = [];
  server = createServer((request, response) => {
    log.push(`${request.method} ${request.url} ${request.headers.authorization ?? "-"}`);
    void handler(request, response);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  server.closeAllConnections();
  server.close();
});

function repository(auth?: RegistryAuth): Repository {
  const endpoint = { base, verifiesTls: false, isMirror: false };
  const one = new Repository(endpoint, "a/b", { userAgent: "test", ...(auth && { auth }) });
  open.push(one);
  return one;
}

/** A registry that wants a bearer token, and the server that gives it out. */
function withTokens(inner: Handler): Handler {
  return async (request, response) => {
    if (request.url?.startsWith("/token")) return tokenAnswer(request, response);
    if (request.headers.authorization === "Bearer t1") return await inner(request, response);
    const challenge = `Bearer realm="${base}/token",service="reg, istry",scope="repository:a/b:pull"`;
    response.writeHead(401, { "www-authenticate": challenge }).end();
  };
}

async function tokenAnswer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  log.push(await text(request));
  const isWrong = request.headers.authorization === `Basic ${btoa("alice:guess")}`;
  if (isWrong) response.writeHead(401).end(JSON.stringify({ details: "incorrect username or password" }));
  else response.end(JSON.stringify({ token: "t1" }));
}

const blob = Buffer.from("0123456789");
const digest = digestOf(blob);

describe("bearer tokens", () => {
  it("are fetched for the scope on a challenge and used again", async () => {
    handler = withTokens((_request, response) => {
      response.end(blob);
    });
    const one = repository();
    await one.blob(digest, 0, signal);
    await one.blob(digest, 0, signal);
    expect(log.filter((line) => line !== "")).toEqual([
      `GET /v2/a/b/blobs/${digest} -`,
      "GET /token?service=reg%2C+istry&scope=repository%3Aa%2Fb%3Apull -",
      `GET /v2/a/b/blobs/${digest} Bearer t1`,
      `GET /v2/a/b/blobs/${digest} Bearer t1`,
    ]);
  });

  it("are asked for with the password, and with write access for a push", async () => {
    handler = withTokens((_request, response) => {
      response.end();
    });
    await repository({ username: "alice", password: "secret" }).hasBlob(digest, signal);
    expect(log[1]).toBe(
      `GET /token?service=reg%2C+istry&scope=repository%3Aa%2Fb%3Apull%2Cpush&account=alice Basic ${btoa("alice:secret")}`,
    );
  });

  it("are refreshed with an identity token by POST", async () => {
    handler = withTokens((_request, response) => {
      response.end(blob);
    });
    await repository({ identityToken: "idt" }).blob(digest, 0, signal);
    expect(log[1]).toBe("POST /token -");
    expect(Object.fromEntries(new URLSearchParams(log[2]))).toMatchObject({
      grant_type: "refresh_token",
      refresh_token: "idt",
      scope: "repository:a/b:pull",
    });
  });

  it("are not fetched when one was given", async () => {
    handler = (_request, response) => {
      response.end(blob);
    };
    await repository({ registryToken: "mine" }).blob(digest, 0, signal);
    expect(log).toEqual([`GET /v2/a/b/blobs/${digest} Bearer mine`]);
  });

  it("say why a password is not taken", async () => {
    handler = withTokens(() => undefined);
    const one = repository({ username: "alice", password: "guess" });
    await expect(one.blob(digest, 0, signal)).rejects.toMatchObject({
      status: 401,
      message: "unauthorized: incorrect username or password",
    });
  });
});

describe("blobs", () => {
  it("are redirected without our credentials for others", async () => {
    const storage = createServer((request, response) => {
      log.push(`storage ${request.headers.authorization ?? "-"} ${request.headers.range ?? ""}`);
      response.writeHead(206, { "content-range": "bytes 4-9/10" }).end(blob.subarray(4));
    });
    storage.listen(0, "127.0.0.1");
    await new Promise((resolve) => storage.once("listening", resolve));
    const location = `http://127.0.0.1:${(storage.address() as AddressInfo).port}/x`;
    handler = withTokens((_request, response) => {
      response.writeHead(307, { location }).end();
    });
    const stream = await repository().blob(digest, 4, signal);
    expect(stream.offset).toBe(4);
    expect(await text(stream.body as AsyncIterable<Buffer>)).toBe("456789");
    expect(log.at(-1)).toBe("storage - bytes=4-");
    storage.closeAllConnections();
    storage.close();
  });

  it("start at 0 when the registry knows no ranges, or knows better", async () => {
    handler = (_request, response) => {
      response.end(blob);
    };
    expect((await repository().blob(digest, 4, signal)).offset).toBe(0);
    handler = (request, response) => {
      if (request.headers.range) response.writeHead(416).end();
      else response.end(blob);
    };
    expect((await repository().blob(digest, 4, signal)).offset).toBe(0);
  });

  it("do not follow redirects for ever", async () => {
    handler = (request, response) => {
      response.writeHead(302, { location: request.url ?? "" }).end();
    };
    await expect(repository().blob(digest, 0, signal)).rejects.toThrow(/stopped after 5 redirects/);
  });

  it("end when the caller goes", async () => {
    const going = new AbortController();
    handler = () => going.abort();
    await expect(repository().blob(digest, 0, going.signal)).rejects.toMatchObject({ kind: "cancelled" });
  });

  it("are uploaded where the registry says, with its own query kept", async () => {
    let received = "";
    handler = async (request, response) => {
      if (request.method === "POST") response.writeHead(202, { location: "/up?state=1" }).end();
      else {
        received = await text(request);
        response.writeHead(201).end();
      }
    };
    const descriptor = { mediaType: "x", digest, size: blob.length };
    async function* source() {
      yield blob;
    }
    expect(await repository().upload(descriptor, source, { signal })).toBe("uploaded");
    expect(received).toBe(blob.toString());
    expect(log[1]).toBe(`PUT /up?state=1&digest=${encodeURIComponent(digest)} -`);
  });

  it("are mounted from another repository when the registry does that", async () => {
    handler = (_request, response) => {
      response.writeHead(201).end();
    };
    const source = () => {
      throw new Error("must not be read");
    };
    const descriptor = { mediaType: "x", digest, size: blob.length };
    expect(await repository().upload(descriptor, source, { signal, mountFrom: "c/d" })).toBe("mounted");
    expect(log[0]).toContain(`mount=${encodeURIComponent(digest)}&from=c%2Fd`);
  });
});

describe("manifests", () => {
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest }));

  it("are checked against the digest that was asked for", async () => {
    handler = (_request, response) => {
      response.writeHead(200, { "content-type": mediaTypes.ociManifest }).end(manifest);
    };
    const fetched = await repository().manifest("latest", signal);
    expect(fetched.descriptor).toEqual(describeBytes(mediaTypes.ociManifest, manifest));
    await expect(repository().manifest(digest, signal)).rejects.toThrow(
      `manifest verification failed for digest ${digest}`,
    );
  });

  it("are checked against the digest that the registry names", async () => {
    handler = (_request, response) => {
      response.writeHead(200, { "docker-content-digest": digest }).end(manifest);
    };
    await expect(repository().manifest("latest", signal)).rejects.toThrow(/verification failed/);
  });

  it("name their own type when the registry is vague", async () => {
    handler = (_request, response) => {
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).end(manifest);
    };
    expect((await repository().manifest("latest", signal)).descriptor.mediaType).toBe(mediaTypes.ociManifest);
  });

  it("are refused when they are endless", async () => {
    handler = (_request, response) => {
      response.end(Buffer.alloc(5 * 1024 * 1024));
    };
    await expect(repository().manifest("latest", signal)).rejects.toThrow(/more than 4194304 bytes/);
  });
});

it("reads tags page by page", async () => {
  handler = (request, response) => {
    const isFirst = !request.url?.includes("last=");
    const headers = isFirst ? { link: '</v2/a/b/tags/list?last=2&n=2>; rel="next"' } : {};
    response.writeHead(200, headers).end(JSON.stringify({ tags: isFirst ? ["1", "2"] : ["3"] }));
  };
  expect(await repository().tags(signal)).toEqual(["1", "2", "3"]);
});

describe("parseChallenges", () => {
  it("reads several, quoted and not", () => {
    const header =
      'Bearer realm="https://a/t?x=1",service="s, t", scope="repository:a:pull,push", Basic realm=b';
    expect(parseChallenges(header)).toEqual([
      {
        scheme: "bearer",
        parameters: { realm: "https://a/t?x=1", service: "s, t", scope: "repository:a:pull,push" },
      },
      { scheme: "basic", parameters: { realm: "b" } },
    ]);
  });
});
