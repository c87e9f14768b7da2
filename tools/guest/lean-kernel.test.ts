import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sectionOf } from "./elf.ts";
import { compile, kernelModule } from "./elf-fixture.ts";
import { moduleInfoOf } from "./kernel-module.ts";
import { emptyTypes, leanModule } from "./lean-kernel.ts";

/** Appends the signature like the kernel's scripts/sign-file. */
function signed(module: Uint8Array, signature: Uint8Array): Uint8Array {
  const info = Buffer.alloc(12);
  info.writeUInt8(2, 2); // PKEY_ID_PKCS7
  info.writeUInt32BE(signature.length, 8);
  return Buffer.concat([module, signature, info, Buffer.from("~Module signature appended~\n")]);
}

const withTypes = `
  __attribute__((section(".BTF"), used)) static const char types[4096] = "old";
  __attribute__((section(".modinfo"), used)) static const char name[] = "name=it";`;

describe("a module in the guest's image", () => {
  it("is the signed module without its signature", async () => {
    const module = await kernelModule(["name=it", "depends="]);
    assert.deepEqual(leanModule(signed(module, Buffer.alloc(700, 7)), "it"), Uint8Array.from(module));
    assert.deepEqual(leanModule(module, "it"), Uint8Array.from(module));
  });

  it("has no types, and is otherwise unchanged", async () => {
    const lean = leanModule(await compile(withTypes, "-c"), "it");
    assert.equal(sectionOf(lean, ".BTF", "it")?.length, 0);
    assert.equal(moduleInfoOf(lean, "it").name, "it");
  });

  it("is refused if its signature would be longer than the module", () => {
    const module = signed(Buffer.alloc(10), Buffer.alloc(0));
    new DataView(module.buffer, module.byteOffset).setUint32(18, 99);
    assert.throws(() => leanModule(module, "bad.ko"), /bad\.ko: its signature/);
  });
});

describe("a kernel in the guest's image", () => {
  it("has types of the same length that are valid and nearly empty", async () => {
    const kernel = await compile(withTypes, "-c");
    emptyTypes(kernel);
    const types = sectionOf(kernel, ".BTF", "it") ?? Buffer.alloc(0);
    const view = new DataView(types.buffer, types.byteOffset, types.byteLength);
    const [typeOffset, typeLength, textOffset, textLength] = [8, 12, 16, 20].map((at) => view.getUint32(at, true));
    assert.deepEqual([view.getUint16(0, true), typeOffset, textOffset], [0xeb9f, 0, typeLength]);
    assert.equal(24 + (typeLength ?? 0) + (textLength ?? 0), 4096);
    assert.ok(types.subarray(24 + (typeLength ?? 0)).every((byte) => byte === 0));
  });
});
