/** Takes CPUs online that were plugged into the VM: the kernel detects them but leaves them offline. */
import { readdir } from "../../sys/linux/directory.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { retry } from "../../util/retry.ts";

export const systemDirectory = "/sys/devices/system";

/** The total time that the protocol specifies: a hundred attempts at intervals of 100 ms. */
const timeoutMs = 10_000;

/**
 * Resolves when that many CPUs are online, including those that were before. If there are more already, they stay
 * online.
 * @throws KumiteError `timeout`
 */
export async function onlineCpus(total: number, signal: AbortSignal, system = systemDirectory): Promise<void> {
  await retry(async () => switchOn(total, system), {
    what: `bringing ${total} CPUs online`,
    timeoutMs,
    signal,
    firstPauseMs: 2,
    longestPauseMs: 100,
  });
}

/** Makes one attempt: the kernel may not have detected a new CPU yet. */
function switchOn(total: number, system: string): void {
  const cpus = cpusIn(system);
  const off = cpus.filter((name) => stateOf(`${system}/cpu/${name}/online`) === "0");
  let on = cpus.length - off.length;
  for (const name of off.sort(byNumber)) {
    if (on >= total) break;
    writeKernelFile(`${system}/cpu/${name}/online`, "1");
    on += 1;
  }
  if (on < total) {
    throw new KumiteError("hypervisor/unsupported", `the VM has ${cpus.length} CPUs, of which ${on} are online`);
  }
}

/**
 * Takes CPUs beyond the total offline, the last ones first, since some hypervisors cannot unplug them.
 * @throws SystemError EBUSY for a CPU that is needed
 */
export function offlineCpus(total: number, system = systemDirectory): void {
  const on = cpusIn(system).filter((name) => stateOf(`${system}/cpu/${name}/online`) !== "0");
  for (const name of on.sort(byNumber).slice(total).reverse()) writeKernelFile(`${system}/cpu/${name}/online`, "0");
}

function cpusIn(system: string): string[] {
  return readdir(`${system}/cpu`)
    .map(({ name }) => name)
    .filter((name) => /^cpu\d+$/.test(name));
}

/** The first CPU often has no such file, since it cannot be taken offline. */
function stateOf(file: string): string {
  try {
    return readFileText(file).trim();
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return "1";
    throw error;
  }
}

function byNumber(a: string, b: string): number {
  return Number(a.slice("cpu".length)) - Number(b.slice("cpu".length));
}
