/** Takes memory online that was plugged into the VM. */
import { readdir } from "../../sys/linux/directory.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";
import { systemDirectory } from "./online-cpus.ts";

/**
 * Takes every offline block online, and has the kernel do this for blocks that it detects later: a virtio-mem device
 * adds its memory in many parts, and stops if too much of it stays offline.
 */
export function onlineMemory(system = systemDirectory): void {
  const memory = `${system}/memory`;
  ifThere(() => writeKernelFile(`${memory}/auto_online_blocks`, "online"));
  for (const block of blocksIn(memory)) {
    ifThere(() => {
      // A block that refuses is skipped; what counts is how much memory the guest gets in the end.
      if (readFileText(`${memory}/${block}/online`).trim() === "0") writeKernelFile(`${memory}/${block}/online`, "1");
    });
  }
}

/** For kernels that do not detect new memory: takes an address of each new block. */
export function probeMemory(addresses: readonly bigint[], system = systemDirectory): void {
  for (const address of addresses) writeKernelFile(`${system}/memory/probe`, `0x${address.toString(16)}`);
}

function blocksIn(memory: string): string[] {
  try {
    return readdir(memory)
      .map(({ name }) => name)
      .filter((name) => /^memory\d+$/.test(name));
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}

/** Ignores errors of kernels without memory hotplug, and of blocks that were unplugged or refuse. */
function ifThere(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isSystemError(error, "ENOENT", "EINVAL", "EBUSY", "ENODEV")) throw error;
  }
}
