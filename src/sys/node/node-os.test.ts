import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { osContract } from "../os-contract.ts";
import { nodeOs } from "./node-os.ts";

const installRoot = fileURLToPath(new URL("../../../build/libexec/kumite", import.meta.url));

describe("Node keeps the contract of the operating system interface", () => {
  const os = nodeOs({ installRoot });

  for (const check of osContract) it(check.name, { timeout: 300_000 }, () => check.run(os, assert));
});
