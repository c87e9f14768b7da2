/**
 * The operating system as the product sees it under Node, with the install root of this working tree.
 * `KUMITE_TEST_INSTALL_ROOT` names another install root.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { nodeOs } from "../../src/sys/node/node-os.ts";
import type { Os } from "../../src/sys/os.ts";

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

export const testInstallRoot: string =
  process.env.KUMITE_TEST_INSTALL_ROOT ?? path.join(repository, "build/libexec/kumite");

export function testOs(): Os {
  return nodeOs({ installRoot: testInstallRoot });
}
