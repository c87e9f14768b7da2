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
  const cpus = readdir(`${system}/cpu`).filter(({ name }) => /^cpu\d+$/.test(name));
  const isOff = (name: string): boolean => stateOf(`${system}/cpu/${name}/online`) === "0";
  const off = cpus.map(({ name }) => name).filter(isOff);
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
