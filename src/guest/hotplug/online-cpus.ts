/** Takes processors into use that were plugged into the machine: the kernel finds them by itself and leaves them off. */
import { readdir } from "../../sys/linux/directory.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { retry } from "../../util/retry.ts";

export const systemDirectory = "/sys/devices/system";

/** As long as the protocol says: a hundred attempts, a tenth of a second each. */
const timeoutMs = 10_000;

/**
 * Resolves when that many processors are on, counting those that were on before. More than that stay as they are.
 * @throws KumiteError `timeout`
 */
export async function onlineCpus(total: number, signal: AbortSignal, system = systemDirectory): Promise<void> {
  await retry(async () => switchOn(total, system), {
    what: `switching on ${total} processors`,
    timeoutMs,
    signal,
    firstPauseMs: 2,
    longestPauseMs: 100,
  });
}

/** One attempt: what was plugged in a moment ago may not have been found yet. */
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
    throw new KumiteError("hypervisor/unsupported", `the machine has ${cpus.length} processors, of which ${on} are on`);
  }
}

/**
 * Switches off what is on beyond the total, the last first: where a processor cannot be plugged out, it rests.
 * @throws SystemError EBUSY for a processor that something needs
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

/** The first processor of many machines has no such file: it cannot be switched off. */
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
