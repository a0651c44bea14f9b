// The library that writes certificates. It is large and most daemons never need it: it is loaded at its first use.
// Reading certificates is Node's own business (`certificate.ts`).

type Library = typeof import("@peculiar/x509");

/** The library and the algorithm that all our keys have. */
export async function loadX509(): Promise<Library> {
  // its dependency injection asks for this polyfill before anything else of it runs
  await import("reflect-metadata");
  return await import("@peculiar/x509");
}

export const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256" } as const;
export const signatureAlgorithm = { name: "ECDSA", hash: "SHA-256" } as const;
