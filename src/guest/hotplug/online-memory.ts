/** Takes memory into use that was plugged into the machine. */
import { readdir } from "../../sys/linux/directory.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";
import { systemDirectory } from "./online-cpus.ts";

/**
 * Every block of memory that is off. What is found later comes into use by itself: a virtio-mem device gives its memory
 * in many parts, and stops when too much of it lies unused.
 */
export function onlineMemory(system = systemDirectory): void {
  const memory = `${system}/memory`;
  ifThere(() => writeKernelFile(`${memory}/auto_online_blocks`, "online"));
  for (const block of blocksIn(memory)) {
    ifThere(() => {
      // Whatever kept it off, another block may do: what the guest has in the end is what counts.
      if (readFileText(`${memory}/${block}/online`).trim() === "0") writeKernelFile(`${memory}/${block}/online`, "1");
    });
  }
}

/** For kernels that find no memory by themselves: an address of each new block. */
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

/** A kernel without memory hotplug has none of it; a block may be plugged out, or refuse. */
function ifThere(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isSystemError(error, "ENOENT", "EINVAL", "EBUSY", "ENODEV")) throw error;
  }
}
