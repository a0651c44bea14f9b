// Requests to create a container: what becomes of them, and how they are refused.

import { expect } from "vitest";
import type { ContainerSpec } from "../../../src/engine/types.ts";
import { c1Id, fakeEngine } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

export async function specOf(body: object, path = "/containers/create?name=c1"): Promise<ContainerSpec> {
  let spec: ContainerSpec | undefined;
  const create = async (given: ContainerSpec) => {
    spec = given;
    return { id: c1Id, warnings: ["careful"] };
  };
  await using api = await ServedApi.create(fakeEngine({ containers: { create } }));
  const answer = await api.ask("POST", path, { body });
  if (!spec) throw new Error(answer.text);
  expect(answer).toMatchObject({ status: 201 });
  expect(answer.json()).toEqual({ Id: c1Id, Warnings: ["careful"] });
  return spec;
}

export async function refusal(body: object, path = "/containers/create"): Promise<string> {
  await using api = await ServedApi.create(fakeEngine());
  const answer = await api.ask("POST", path, { body });
  expect(answer.status).toBe(400);
  return (answer.json() as { message: string }).message;
}
