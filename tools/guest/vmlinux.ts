/** Makes the kernel ELF that the VMM loads: checked to have a PVH entry point, without what loading does not need. */
import { notesOf, segmentLoad, segmentsOf } from "./elf.ts";
import { emptyTypes } from "./lean-kernel.ts";

const xenOwner = "Xen";
/** XEN_ELFNOTE_PHYS32_ENTRY: the 32-bit entry point of the PVH boot protocol. */
const pvhEntryNote = 18;

/**
 * A copy without section headers and without the zeros at the end of the last segment (`.bss` and scratch space, which
 * the kernel's build stores as data). A loader fills with zeros what a segment has in memory beyond its file, so the
 * guest sees no difference.
 */
export function loadableKernel(packaged: Uint8Array): Uint8Array {
  const what = "the kernel";
  const kernel = Uint8Array.from(packaged);
  emptyTypes(kernel);
  const notes = notesOf(kernel, what);
  if (!notes.some((note) => note.owner === xenOwner && note.type === pvhEntryNote))
    throw new Error(
      "the kernel has no PVH entry (built without CONFIG_PVH), so that it cannot be started uncompressed",
    );
  const loaded = segmentsOf(kernel, what).filter((segment) => segment.type === segmentLoad);
  const last = loaded.reduce((a, b) => (b.offset > a.offset ? b : a));
  const fileSize = sizeWithoutZeros(kernel.subarray(last.offset, last.offset + last.fileSize));
  const result = Uint8Array.from(kernel.subarray(0, last.offset + fileSize));
  const view = new DataView(result.buffer);
  view.setBigUint64(last.headerOffset + 32, BigInt(fileSize), true);
  view.setBigUint64(0x28, 0n, true); // e_shoff
  view.setUint16(0x3c, 0, true); // e_shnum
  view.setUint16(0x3e, 0, true); // e_shstrndx
  return result;
}

/** Rounded up to a page, since a loader may map pages instead of copying. */
function sizeWithoutZeros(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return Math.min(bytes.length, Math.ceil(end / 4096) * 4096);
}
