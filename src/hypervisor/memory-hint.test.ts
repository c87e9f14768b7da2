import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { refusedMemoryHint, slowMemoryHint } from "./memory-hint.ts";

describe("what to do about a VM that did not start", () => {
  const os = testOs();
  const huge = 2 ** 40;

  it("is to make it smaller, when QEMU could not have its memory", async () => {
    const said = "qemu ended with status 1: cannot set up guest memory 'pc.ram': Cannot allocate memory";
    const hint = await refusedMemoryHint(os, said, { sizeMiB: 32_000, maxMiB: 40_000 });
    assert.match(
      hint ?? "",
      /have 32000 MiB of memory \(default_memory .*up to 40000 MiB \(default_maxmemory\); the host has \d+ MiB: make the VM/,
    );
    const long = "Address space limit 0xffffffffff < 0x141a7fffffff phys-bits too low (40)";
    assert.match(
      (await refusedMemoryHint(os, long, { sizeMiB: huge, maxMiB: undefined })) ?? "",
      /cannot address that much$/,
    );
  });

  it("is to make it smaller or to wait longer, when it is larger than the host", async () => {
    assert.match((await slowMemoryHint(os, huge)) ?? "", /^the VM has \d+ MiB \(default_memory\).*longer dial_timeout/);
  });

  it("has nothing to do with its memory otherwise", async () => {
    const said = "failed to init linux io_uring ring: Cannot allocate memory";
    assert.equal(await refusedMemoryHint(os, said, { sizeMiB: 2048, maxMiB: undefined }), undefined);
    assert.equal(await slowMemoryHint(os, 1), undefined);
  });
});
