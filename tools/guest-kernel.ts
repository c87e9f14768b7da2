/**
 * Implements tools/guest-kernel.sh [tuned [--within SECONDS]|debian|--if-built]: selects the tuned kernel (default),
 * which is compiled if the cache lacks it, or Debian's for this tree's guest. If compiling takes longer than it may,
 * the status is 3 and nothing is changed. `--if-built` only checks: status 0 if the tuned kernel need not be compiled.
 */
import { chooseKernelOfTree, type KernelName, kernelNames } from "./guest/kernel-in-use.ts";
import { builtTunedKernel, OutOfTime, tunedKernel } from "./guest/tuned-kernel.ts";

const outOfTime = 3;

function report(line: string): void {
  process.stderr.write(`guest: ${line}\n`);
}

async function main([word = "tuned", ...rest]: readonly string[]): Promise<number> {
  if (word === "--if-built" && rest.length === 0) return (await builtTunedKernel()) === undefined ? 1 : 0;
  const name = kernelNames.find((known) => known === word);
  const withinMs = withinOf(rest);
  if (name === undefined || (rest.length > 0 && (name !== "tuned" || withinMs === undefined))) {
    const known = `${kernelNames.join(", ")}, --if-built; after tuned --within SECONDS`;
    report(`unknown argument ${[word, ...rest].join(" ")} (known: ${known})`);
    return 2;
  }
  await use(name, withinMs);
  return 0;
}

function withinOf([flag, seconds = "", ...rest]: readonly string[]): number | undefined {
  return flag === "--within" && /^[1-9]\d{0,5}$/.test(seconds) && rest.length === 0
    ? Number(seconds) * 1000
    : undefined;
}

async function use(name: KernelName, withinMs: number | undefined): Promise<void> {
  if (name === "tuned") await tunedKernel(report, withinMs);
  await chooseKernelOfTree(name);
  report(`the guest of this tree has ${name === "tuned" ? "the tuned kernel" : "Debian's kernel"}`);
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  report(error instanceof Error ? error.message : String(error));
  return error instanceof OutOfTime ? outOfTime : 1;
});
