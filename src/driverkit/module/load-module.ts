// A driver package, imported and held against the contract. What does not fit is told in words that say what to do.

import { dirname, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { DriverModule } from "../../driverapi/index.ts";
import { errorMessage, hasCode, invalid, unavailable } from "../../util/errors.ts";
import { within } from "../within.ts";
import { findDriverModule } from "./find-module.ts";

/** The version of the contract that this program speaks. */
export const contractVersion = 1;

export interface LoadedModule extends DriverModule {
  /** The file that was imported. */
  readonly path: string;
}

export interface LoadOptions {
  /** What paths and packages are looked for from; absent: the working folder. */
  readonly from?: string;
  /** How long an import may take; top-level awaits count. */
  readonly withinMs?: number;
}

/**
 * Imports a driver package: a file, a folder or a package's name. Node keeps modules: the same file is not read twice by
 * one process.
 * @throws not-found when there is none; invalid when it is none, or for another version of the contract; unavailable
 * when the import does not end
 */
export async function loadDriverModule(
  spec: string,
  { from = process.cwd(), withinMs = 10_000 }: LoadOptions = {},
): Promise<LoadedModule> {
  const path = await findDriverModule(spec, from);
  const module = await within(withinMs, importFile(path), () =>
    unavailable(`${path}: importing it did not end within ${withinMs / 1000} s`),
  );
  return { ...checkModule(path, module), path };
}

async function importFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    throw invalid(explain(path, error), error);
  }
}

function explain(path: string, error: unknown): string {
  if (hasCode(error, "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING"))
    return (
      `${path}: Node runs no TypeScript below node_modules. Publish JavaScript (tsc, esbuild), ` +
      `or name the package's own folder by its path`
    );
  if (hasCode(error, "ERR_UNKNOWN_FILE_EXTENSION") && path.endsWith("ts"))
    return `${path}: this Node (${process.version}) runs no TypeScript: build it to JavaScript, or use Node 22.18 or later`;
  if (hasCode(error, "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX", "ERR_INVALID_TYPESCRIPT_SYNTAX"))
    return `${path}: Node only strips types, and this file needs more (enum, namespace, parameter property), or is wrong: ${errorMessage(error)}${placeOf(path, error)}`;
  if (hasCode(error, "ERR_MODULE_NOT_FOUND"))
    return `${path}: ${errorMessage(error)} (was "npm install" run in ${packageFolder(path)}?)`;
  return `${path}: it throws when it is imported: ${errorMessage(error)}${placeOf(path, error)}`;
}

/** ` (FILE:LINE)`, where Node stopped in the package: a stack begins with that, or has it in a frame. Empty: it does not say. */
function placeOf(path: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const places = [...stack.matchAll(/(?:^|file:\/\/| |\()(\/[^\n:()]+:\d+)/gm)].map(
    ([, place = ""]) => place,
  );
  const place = places.find((each) => each.startsWith(`${packageFolder(path)}${sep}`));
  return place === undefined ? "" : ` (${place})`;
}

function packageFolder(path: string): string {
  const at = path.lastIndexOf(`${sep}node_modules${sep}`);
  return at < 0 ? dirname(path) : path.slice(0, at);
}

/** @throws invalid, with what it has and what is needed */
function checkModule(path: string, found: Readonly<Record<string, unknown>>): DriverModule {
  // a CommonJS module is the default export of what Node makes of it
  const module = isCommonJs(found) ? found.default : found;
  const { contract, default: createNetwork, createIpam, traits } = module;
  if (contract === undefined)
    throw invalid(
      `${path}: it does not say which contract it is written for: "export const contract = ${contractVersion}" is needed`,
    );
  if (contract !== contractVersion)
    throw invalid(
      `${path}: it is written for contract ${JSON.stringify(contract)}, and this tsdocker has contract ${contractVersion}: ` +
        (Number(contract) > contractVersion ? "a later tsdocker is needed" : "a later driver is needed"),
    );
  if (createNetwork === undefined && createIpam === undefined)
    throw invalid(
      `${path}: it exports no driver: a default export (a network driver's factory) or createIpam is needed`,
    );
  return {
    contract,
    ...(createNetwork !== undefined && {
      default: factory<NonNullable<DriverModule["default"]>>(
        path,
        "its default export",
        "NetworkDriverFactory",
        createNetwork,
      ),
    }),
    ...(createIpam !== undefined && {
      createIpam: factory<NonNullable<DriverModule["createIpam"]>>(
        path,
        "createIpam",
        "IpamDriverFactory",
        createIpam,
      ),
    }),
    ...(traits !== undefined && {
      traits: object<NonNullable<DriverModule["traits"]>>(path, "traits", traits),
    }),
  };
}

function isCommonJs(
  found: Readonly<Record<string, unknown>>,
): found is { readonly default: Readonly<Record<string, unknown>> } {
  const { default: inner } = found;
  return typeof inner === "object" && inner !== null && "contract" in inner;
}

function object<T>(path: string, what: string, value: unknown): T {
  if (typeof value !== "object" || value === null)
    throw invalid(
      `${path}: ${what} is ${value === null ? "null" : `of type ${typeof value}`}, and not an object`,
    );
  return value as T;
}

function factory<T>(path: string, what: string, type: string, value: unknown): T {
  if (typeof value !== "function")
    throw invalid(
      `${path}: ${what} is ${value === null ? "null" : `of type ${typeof value}`}, and a function is needed that makes the driver (${type})`,
    );
  return value as T;
}
