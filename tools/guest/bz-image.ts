/**
 * The compressed kernel inside a bzImage (Linux x86 boot protocol, Documentation/arch/x86/boot.rst). Booting the
 * uncompressed ELF saves the guest the decompression, which is slow under emulation.
 */
import { compressionOf, decompress, uncompressedLimit } from "./decompress.ts";

/** The version of the boot protocol that introduced `payload_offset` and `payload_length`. */
const oldestProtocol = 0x0208;
const headerEnd = 0x268;

/** Returns the uncompressed ELF file. */
export async function kernelOf(bzImage: Uint8Array): Promise<Uint8Array> {
  const { payload, size } = payloadOf(bzImage);
  const compression = compressionOf(payload);
  if (compression === undefined) {
    const start = Buffer.from(payload.subarray(0, 6)).toString("hex");
    throw new Error(`the kernel is compressed in an unknown way: it begins with ${start}`);
  }
  // The last four bytes are the size. They are part of a gzip stream, but invalid input for the other decompressors.
  const stream = compression.name === "gzip" ? payload : payload.subarray(0, payload.length - 4);
  const kernel = await decompress(stream, compression, "the kernel");
  if (kernel.length !== size) throw new Error(`the kernel has ${kernel.length} bytes, its bzImage promises ${size}`);
  return kernel;
}

interface Payload {
  readonly payload: Uint8Array;
  /** Size of the uncompressed kernel. */
  readonly size: number;
}

function payloadOf(bzImage: Uint8Array): Payload {
  const view = new DataView(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength);
  if (bzImage.length < headerEnd || new TextDecoder("latin1").decode(bzImage.subarray(0x202, 0x206)) !== "HdrS")
    throw new Error("the kernel image is not a bzImage: no HdrS at 0x202");
  const protocol = view.getUint16(0x206, true);
  if (protocol < oldestProtocol)
    throw new Error(
      `the bzImage has boot protocol ${version(protocol)}, at least ${version(oldestProtocol)} is needed`,
    );
  // Zero means four, for compatibility with very old boot loaders.
  const setupSectors = view.getUint8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + view.getUint32(0x248, true);
  const length = view.getUint32(0x24c, true);
  if (length < 8 || start + length > bzImage.length)
    throw new Error(`the bzImage is truncated: payload of ${length} bytes at ${start}, file of ${bzImage.length}`);
  const size = view.getUint32(start + length - 4, true);
  if (size > uncompressedLimit) throw new Error(`the bzImage promises a kernel of ${size} bytes`);
  return { payload: bzImage.subarray(start, start + length), size };
}

function version(protocol: number): string {
  return `${protocol >> 8}.${String(protocol & 0xff).padStart(2, "0")}`;
}
