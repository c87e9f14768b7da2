/** Any config.json gives a bundle and a specification for the guest, or one error of Kumite. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { guestSpecOf } from "../sandbox/guest-spec.ts";
import { surroundingsOfFirst } from "../sandbox/shared-namespaces.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import { isKumiteError } from "../util/errors.ts";
import { loadBundle } from "./bundle.ts";
import { containerRoleOf } from "./container-role.ts";
import { defaultSpec } from "./default-spec.ts";

const os = nodeOs({ installRoot: "/i" });

describe("any config.json", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-bundle-"));
    mkdirSync(join(directory, "rootfs"));
  });
  after(() => rmSync(directory, { recursive: true }));

  async function isAnswered(text: string | Uint8Array): Promise<void> {
    writeFileSync(join(directory, "config.json"), text);
    try {
      const bundle = await loadBundle(os, directory);
      const { spec } = bundle;
      // The text that is sent to the shim.
      JSON.stringify(spec);
      containerRoleOf(spec.annotations);
      guestSpecOf(bundle, "/in/the/guest", spec.mounts ?? [], { guestSeccomp: true }, surroundingsOfFirst(bundle));
    } catch (error) {
      assert.ok(isKumiteError(error, "oci/spec-invalid", "oci/bundle-invalid", "oci/unsupported"), String(error));
      assert.ok(error.message.length < 2000);
    }
  }

  it("is accepted or refused properly: bytes, texts and documents of any shape", async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 50 }), isAnswered));
    await fc.assert(fc.asyncProperty(fc.json(), isAnswered));
  });

  it("is accepted or refused properly: a valid one with any value in any place", async () => {
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

  it("is accepted or refused properly: a valid one that is cut off", async () => {
    const good = JSON.stringify(defaultSpec());
    await fc.assert(fc.asyncProperty(fc.nat(good.length - 1), (length) => isAnswered(good.slice(0, length))));
  });

  it("is accepted or refused properly when it is huge or deeply nested", { timeout: 60_000 }, async () => {
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
