/**
 * Makes the kernel load its stack segment when an interrupt or a fault comes from user mode, as a system call does.
 *
 * In 64-bit mode an interrupt from user mode sets SS to the null selector. No instruction depends on that, but QEMU's
 * emulator keeps the size of the stack segment in the key of its translated code. So it translates everything twice
 * that runs both in a system call and after a page fault: a seventh of the code up to a clone's first container.
 */

/**
 * `error_entry` of arch/x86/entry/entry_64.S from the last cleared register to the call of `sync_regs`, for interrupts
 * from user mode. `??` matches any byte: distances, and an address in per-CPU memory.
 */
const beforeSpace = `
  45 31 ff                      xor    %r15d,%r15d
  f6 84 24 90 00 00 00 03       testb  $3,CS+8(%rsp)
  74 ??                         jz     .Lerror_kernelspace
  0f 01 f8                      swapgs
  90 90 90                      FENCE_SWAPGS_USER_ENTRY
  eb 11                         SWITCH_TO_KERNEL_CR3, skipped unless the kernel isolates page tables
  0f 20 d8 90 90 90 90 90 48 25 ff e7 ff ff 0f 22 d8
  eb 16                         IBRS_ENTER, skipped unless the processor needs it
  b9 48 00 00 00 65 48 8b 14 25 ?? ?? ?? 00 89 d0 48 c1 ea 20 0f 30
`;
const space = `
  90 90 90 90 90 90 90 90 90 90 90   UNTRAIN_RET_FROM_CALL, overwritten if the processor needs it
`;
const afterSpace = `
  48 8d 7c 24 08                lea    8(%rsp),%rdi
  e8 ?? ?? ?? ??                call   sync_regs
  e9                            jmp
`;

/**
 * Fits into the space that stays empty on processors without return thunks, the emulated one among them. RBX was
 * cleared just before and is not used before it gets the user's value back. 0x18 is `__KERNEL_DS`.
 */
const loadStackSegment = `
  b3 18                         mov    $0x18,%bl
  8e d3                         mov    %ebx,%ss
`;

/** Changes the kernel in place. Returns false, and changes nothing, unless it has exactly the entry that is known. */
export function keepStackSegment(kernel: Uint8Array): boolean {
  const file = Buffer.from(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  const before = pattern(beforeSpace);
  const places = placesOf(file, [...before, ...pattern(space), ...pattern(afterSpace)]);
  const [place] = places;
  if (place === undefined || places.length > 1) return false;
  file.set(pattern(loadStackSegment) as number[], place + before.length);
  return true;
}

/** The leading two-digit numbers of each line. */
function pattern(lines: string): readonly (number | undefined)[] {
  const bytes = lines
    .split("\n")
    .flatMap((line) => /^\s*((?:(?:[0-9a-f]{2}|\?\?)(?:\s|$))*)/.exec(line)?.[1]?.split(/\s+/) ?? []);
  return bytes.filter((byte) => byte !== "").map((byte) => (byte === "??" ? undefined : Number.parseInt(byte, 16)));
}

function placesOf(file: Buffer, wanted: readonly (number | undefined)[]): number[] {
  const start = Buffer.from(wanted.slice(0, wanted.indexOf(undefined)) as number[]);
  const places: number[] = [];
  for (let at = file.indexOf(start); at >= 0; at = file.indexOf(start, at + 1)) {
    if (wanted.every((byte, i) => byte === undefined || file[at + i] === byte)) places.push(at);
  }
  return places;
}
