import { osContract } from "../os-contract.ts";
import { engineOs } from "./engine-os.ts";
import { assert } from "./testing/assert.ts";
import { describe, it } from "./testing/suite.ts";

describe("the operating system over the engine", () => {
  const os = engineOs();
  for (const check of osContract) it(check.name, () => check.run(os, assert));
});
