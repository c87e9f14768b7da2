import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { kernelOf } from "./bz-image.ts";

const kernel = Buffer.from("an uncompressed kernel, ".repeat(1000));
const setupSectors = 3;
const payloadOffset = 100;

/** The header of a bzImage, with this payload. */
function bzImage(payload: Uint8Array, change: (image: Buffer) => void = () => {}): Buffer {
  const start = (setupSectors + 1) * 512 + payloadOffset;
  const image = Buffer.alloc(start + payload.length + 1000);
  image[0x1f1] = setupSectors;
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt16LE(0x020f, 0x206);
  image.writeUInt32LE(payloadOffset, 0x248);
  image.writeUInt32LE(payload.length, 0x24c);
  image.set(payload, start);
  change(image);
  return image;
}

function withSize(stream: Uint8Array, size = kernel.length): Buffer {
  const trailer = Buffer.alloc(4);
  trailer.writeUInt32LE(size);
  return Buffer.concat([stream, trailer]);
}

const xz = () => execFileSync("xz", ["--compress", "--stdout", "--check=crc32"], { input: kernel });

describe("the kernel in a bzImage", () => {
  it("is found and decompressed, whether xz or gzip", async () => {
    assert.deepEqual(Buffer.from(await kernelOf(bzImage(withSize(xz())))), kernel);
    // A gzip stream already ends with the size.
    assert.deepEqual(Buffer.from(await kernelOf(bzImage(gzipSync(kernel)))), kernel);
  });

  it("is refused unless it has the size that the image states", async () => {
    await assert.rejects(kernelOf(bzImage(withSize(xz(), 5))), /the kernel has 24000 bytes, its bzImage promises 5/);
    await assert.rejects(kernelOf(bzImage(withSize(xz(), 0xffffffff))), /promises a kernel of 4294967295 bytes/);
  });

  it("is refused with the reason if the image is damaged or something else", async () => {
    const payload = withSize(xz());
    await assert.rejects(kernelOf(Buffer.from("\x7fELF")), /not a bzImage/);
    await assert.rejects(kernelOf(bzImage(payload, (image) => image.fill(0, 0x202, 0x206))), /no HdrS at 0x202/);
    const old = bzImage(payload, (image) => void image.writeUInt16LE(0x0207, 0x206));
    await assert.rejects(kernelOf(old), /boot protocol 2\.07, at least 2\.08 is needed/);
    await assert.rejects(
      kernelOf(bzImage(payload).subarray(0, (setupSectors + 1) * 512 + payloadOffset + 20)),
      /truncated: payload of/,
    );
    await assert.rejects(
      kernelOf(bzImage(withSize(Buffer.from("unknown!")))),
      /compressed in an unknown way: it begins with/,
    );
    const broken = bzImage(Buffer.concat([payload.subarray(0, 40), Buffer.alloc(40), withSize(Buffer.alloc(0))]));
    await assert.rejects(kernelOf(broken), /xz could not decompress the kernel/);
  });
});
