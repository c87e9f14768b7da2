import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compile } from "./elf-fixture.ts";
import { keepStackSegment } from "./stack-segment.ts";

/** The entry from user mode in Linux 6.1. The return trampolines that some processors need are left out. */
const entry = (space: number) => `
  xor %r15d, %r15d
  testb $3, 0x90(%rsp)
  jz 1f
  swapgs
  nop; nop; nop
  jmp 2f
  mov %cr3, %rax
  nop; nop; nop; nop; nop
  and $0xffffffffffffe7ff, %rax
  mov %rax, %cr3
2: jmp 3f
  mov $0x48, %ecx
  mov %gs:0x1fb88, %rdx
  mov %edx, %eax
  shr $0x20, %rdx
  wrmsr
3: .rept ${space}
  nop
  .endr
  lea 8(%rsp), %rdi
  call sync_regs
  .byte 0xe9, 0, 0, 0, 0
1: ret`;

/** The 32-bit distance makes the assembler use the same encodings as in the kernel. */
function kernelWith(...entries: readonly string[]): Promise<Buffer> {
  const text = entries.map((lines) => lines.split("\n").join("\\n")).join("\\n");
  return compile(`__asm__(".text\\n.globl sync_regs\\nsync_regs: ret\\n${text}\\n");`, "-c");
}

/** Offsets and new values of the changed bytes. */
function changes(before: Uint8Array, after: Uint8Array): [number, number][] {
  return [...after].flatMap((byte, i) => (byte === before[i] ? [] : [[i, byte] as [number, number]]));
}

describe("the kernel's entry from user mode", () => {
  it("loads the stack segment in the space that is left for return trampolines", async () => {
    const kernel = await kernelWith(entry(11));
    const before = Uint8Array.from(kernel);
    assert.equal(keepStackSegment(kernel), true);
    const space = kernel.indexOf(Buffer.from("488d7c2408", "hex")) - 11;
    const expected = [0xb3, 0x18, 0x8e, 0xd3].map((byte, i) => [space + i, byte]);
    assert.deepEqual(changes(before, kernel), expected);
    assert.equal(keepStackSegment(kernel), false, "the entry is no longer the kernel's own");
  });

  it("stays as it is if it is another one, or if there are two", async () => {
    for (const kernel of [
      await kernelWith(entry(10)),
      await kernelWith(entry(11), entry(11)),
      Buffer.alloc(5000, 0x90),
    ]) {
      const before = Uint8Array.from(kernel);
      assert.equal(keepStackSegment(kernel), false);
      assert.deepEqual(changes(before, kernel), []);
    }
  });
});
