import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { sectionOf, segmentsOf } from "./elf.ts";
import { compile } from "./elf-fixture.ts";
import { loadableKernel } from "./vmlinux.ts";

/** A program that exits with 42 if its last megabyte, stored as data, is zero. */
const program = (note: string) => `
  ${note}
  __attribute__((section(".data"))) static char zeros[1 << 20] = {0};
  static long call(long number, long argument) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(argument) : "rcx", "r11", "memory");
    return result;
  }
  void _start(void) {
    volatile char *at = zeros;
    long sum = 42;
    for (long i = 0; i < sizeof zeros; i++) sum += at[i];
    call(60, sum);
  }`;
const xenNote = (type: number) => `
  __attribute__((section(".note.Xen"), used, aligned(4)))
  static const struct { int name, size, type; char owner[4]; int entry; } note = {4, 4, ${type}, "Xen", 0x1000};`;
const options = ["-static", "-nostdlib", "-no-pie", "-fno-stack-protector", "-O1", "-Wl,--build-id=none"];

describe("the kernel that a VMM loads", () => {
  it("runs without the zeros at its end and without section headers", async () => {
    const whole = await compile(program(xenNote(18)), ...options);
    const loadable = loadableKernel(whole);
    assert.ok(loadable.length < whole.length - (1 << 19), `${loadable.length} of ${whole.length} bytes`);
    assert.equal(sectionOf(loadable, ".data", "it"), undefined);
    const memory = (file: Uint8Array) => segmentsOf(file, "it").map(({ memorySize }) => memorySize);
    assert.deepEqual(memory(loadable), memory(whole));

    const directory = mkdtempSync(join(tmpdir(), "kumite-vmlinux-"));
    try {
      writeFileSync(join(directory, "program"), loadable, { mode: 0o755 });
      assert.equal(spawnSync(join(directory, "program")).status, 42);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("is refused without a PVH entry", async () => {
    const other = await compile(program(xenNote(6)), ...options);
    assert.throws(() => loadableKernel(other), /no PVH entry .*CONFIG_PVH/);
  });

  it("is refused if it is no ELF, or only half of one", async () => {
    assert.throws(() => loadableKernel(Buffer.from("MZ, a bzImage perhaps")), /not a 64-bit little-endian ELF/);
    const whole = await compile(program(xenNote(18)), ...options);
    assert.throws(() => loadableKernel(whole.subarray(0, 5000)), /the kernel is truncated/);
  });
});
