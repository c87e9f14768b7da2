/** Disks for tests: images with a file system made of a directory, and loop devices that have them. */
import { truncate, writeFile } from "node:fs/promises";
import { succeed } from "./command.ts";

export type ImageType = "ext4" | "erofs";

/** An image of that type, with the content of `tree`. */
export async function makeDiskImage(file: string, type: ImageType, tree?: string, sizeMiB = 64): Promise<void> {
  if (type === "erofs") {
    await succeed(["mkfs.erofs", "--quiet", file, tree ?? ""]);
    return;
  }
  await writeFile(file, "");
  await truncate(file, sizeMiB * 1024 * 1024);
  await succeed(["mkfs.ext4", "-q", "-F", ...(tree === undefined ? [] : ["-d", tree]), file]);
}

/** A loop device with the image; it goes with `detach`, once nobody has it open. */
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
