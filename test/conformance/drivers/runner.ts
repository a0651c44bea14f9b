// The kit in vitest.

import { afterAll, describe, test } from "vitest";
import type { TestRunner } from "../../../src/driververify/index.ts";

export const runner: TestRunner = { afterAll, describe, test };
