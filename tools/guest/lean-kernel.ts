/**
 * Removes from kernel files what our guests never use but pay for at every boot. The files come from a package whose
 * signature was checked, and go into an image that is verified by hash.
 */
import { sectionHeaderOf, sectionOf } from "./elf.ts";

/** MODULE_SIG_STRING of the kernel: the last bytes of a signed module. */
const signatureMark = "~Module signature appended~\n";
/** struct module_signature, which precedes the mark; its last four bytes are the length of the signature before it. */
const signatureInfoSize = 12;

const typeSection = ".BTF";
const offsetOfSize = 0x20;

/**
 * A module without its signature, whose check takes longer than the rest of loading it, and without the types (BTF)
 * that refer to the kernel's.
 */
export function leanModule(module: Uint8Array, path: string): Uint8Array {
  const result = Uint8Array.from(module.subarray(0, sizeWithoutSignature(module, path)));
  const header = sectionHeaderOf(result, typeSection, path);
  if (header !== undefined) new DataView(result.buffer).setBigUint64(header + offsetOfSize, 0n, true);
  return result;
}

function sizeWithoutSignature(module: Uint8Array, path: string): number {
  const mark = module.subarray(Math.max(0, module.length - signatureMark.length));
  if (new TextDecoder().decode(mark) !== signatureMark) return module.length;
  const info = module.length - signatureMark.length - signatureInfoSize;
  const size = new DataView(module.buffer, module.byteOffset, module.byteLength).getUint32(info + 8);
  if (info < 0 || size > info) throw new Error(`${path}: its signature is longer than the module`);
  return info - size;
}

/**
 * Empties the kernel's description of its types, in place: the kernel reads all of it at each boot, for programs that
 * trace kernels. It must stay valid, or the kernel refuses every BPF program: one integer type, and strings of zeros.
 */
export function emptyTypes(kernel: Uint8Array): void {
  const types = sectionOf(kernel, typeSection, "the kernel");
  if (types === undefined || types.length < headerSize + typeSize + 1) return;
  types.fill(0);
  const view = new DataView(types.buffer, types.byteOffset, types.byteLength);
  view.setUint16(0, 0xeb9f, true); // magic
  view.setUint8(2, 1); // version
  view.setUint32(4, headerSize, true);
  view.setUint32(12, typeSize, true); // type_len; type_off is 0
  view.setUint32(16, typeSize, true); // str_off
  view.setUint32(20, types.length - headerSize - typeSize, true); // str_len
  view.setUint32(headerSize + 4, 1 << 24, true); // BTF_KIND_INT
  view.setUint32(headerSize + 8, 4, true); // bytes
  view.setUint32(headerSize + 12, 32, true); // bits
}

/** struct btf_header, and one struct btf_type followed by the data of an integer (include/uapi/linux/btf.h). */
const headerSize = 24;
const typeSize = 16;
