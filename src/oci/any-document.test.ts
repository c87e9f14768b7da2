/** Whatever config.json says: a bundle, or one error of ours. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { nodeOs } from "../sys/node/node-os.ts";
import { isKumiteError } from "../util/errors.ts";
import { loadBundle } from "./bundle.ts";
import { containerRoleOf } from "./container-role.ts";
import { containerConfig } from "./conversion/container-config.ts";
import { defaultSpec } from "./default-spec.ts";

const os = nodeOs({ installRoot: "/i" });

describe("any config.json", () => {
  let bundle: string;
  before(() => {
    bundle = mkdtempSync(join(tmpdir(), "kumite-bundle-"));
    mkdirSync(join(bundle, "rootfs"));
  });
  after(() => rmSync(bundle, { recursive: true }));

  async function isAnswered(text: string | Uint8Array): Promise<void> {
    writeFileSync(join(bundle, "config.json"), text);
    try {
      const { spec, path } = await loadBundle(os, bundle);
      // What goes on to the shim.
      JSON.stringify(spec);
      containerRoleOf(spec.annotations);
      containerConfig({ id: "one", bundle: path, spec });
    } catch (error) {
      assert.ok(isKumiteError(error, "oci/spec-invalid", "oci/bundle-invalid"), String(error));
      assert.ok(error.message.length < 2000);
    }
  }

  it("is answered: bytes, texts and documents of any shape", async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 50 }), isAnswered));
    await fc.assert(fc.asyncProperty(fc.json(), isAnswered));
  });

  it("is answered: a good one with any value in any place", async () => {
    const good = JSON.stringify(defaultSpec());
    const values = [...good.matchAll(/(?<=[:,[])(?:"[^"]*"|\d+|true|false)(?=[,\]}])/g)];
    const change = fc.tuple(
      fc.nat(values.length - 1),
      fc.oneof(fc.json(), fc.constantFrom("null", "-1", "1e400", "{}")),
    );
    await fc.assert(
      fc.asyncProperty(change, async ([pick, value]) => {
        const { index, 0: old } = values[pick] ?? { index: 0, 0: "" };
        await isAnswered(good.slice(0, index) + value + good.slice(index + old.length));
      }),
      { numRuns: 300 },
    );
  });

  it("is answered: a good one that is cut off", async () => {
    const good = JSON.stringify(defaultSpec());
    await fc.assert(fc.asyncProperty(fc.nat(good.length - 1), (length) => isAnswered(good.slice(0, length))));
  });

  it("is answered when it is huge or deeply nested", { timeout: 60_000 }, async () => {
    const mib = 1 << 20;
    const hostile = [
      "[".repeat(mib),
      '{"a":'.repeat(mib / 5),
      `{"ociVersion":"1.0.0","x":${"[".repeat(mib / 3)}${"]".repeat(mib / 3)}}`,
      `{"ociVersion":"1.0.0","mounts":[${'{"destination":"/a"},'.repeat(45_000)}{"destination":"/a"}]}`,
      `{"ociVersion":"1.0.0","annotations":{${Array.from({ length: 60_000 }, (_, at) => `"${at}":"x"`).join(",")}}}`,
      `"${"x".repeat(mib - 10)}"`,
      " ".repeat(mib),
      "x".repeat(mib + 1),
    ];
    for (const text of hostile) await isAnswered(text);
  });
});
