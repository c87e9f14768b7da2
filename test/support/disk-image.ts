/** Disks for tests: images with a file system made from a directory, and loop devices for them. */
import { rmdir, truncate, writeFile } from "node:fs/promises";
import { succeed } from "./command.ts";
import { makeTestDirectory } from "./test-directory.ts";

export type ImageType = "ext4" | "erofs" | "xfs";

/** Makes an image of that type with the content of `tree`. */
export async function makeDiskImage(file: string, type: ImageType, tree?: string, sizeMiB = 64): Promise<void> {
  if (type === "erofs") {
    await succeed(["mkfs.erofs", "--quiet", file, tree ?? ""]);
    return;
  }
  await writeFile(file, "");
  if (type === "xfs") {
    // The smallest size that xfs accepts; the content can only be added through a mount.
    await truncate(file, Math.max(sizeMiB, 300) * 1024 * 1024);
    await succeed(["mkfs.xfs", "-q", file]);
    await using loop = await LoopDevice.attach(file);
    const target = makeTestDirectory("xfs");
    await loop.mount(target);
    try {
      if (tree !== undefined) await succeed(["cp", "-a", `${tree}/.`, target]);
    } finally {
      await succeed(["umount", target]);
      await rmdir(target);
    }
    return;
  }
  await truncate(file, sizeMiB * 1024 * 1024);
  await succeed(["mkfs.ext4", "-q", "-F", ...(tree === undefined ? [] : ["-d", tree]), file]);
}

/** A loop device with the image; `detach` releases it as soon as nobody has it open. */
export class LoopDevice implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async attach(file: string): Promise<LoopDevice> {
    const { stdout } = await succeed(["losetup", "--find", "--show", file]);
    return new LoopDevice(stdout.trim());
  }

  async mount(target: string, ...options: string[]): Promise<void> {
    await succeed(["mount", ...options, this.path, target]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await succeed(["losetup", "--detach", this.path]);
  }
}
