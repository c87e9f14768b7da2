/**
 * Behind tools/guest-kernel.sh [tuned|debian|--if-built]: gives this tree's guest the tuned kernel (default), which is compiled
 * when the cache has none, or Debian's again. `--if-built` only asks: status 0 when the tuned kernel need not be compiled.
 */
import { chooseKernelOfTree, type KernelName, kernelNames } from "./guest/kernel-in-use.ts";
import { builtTunedKernel, tunedKernel } from "./guest/tuned-kernel.ts";

function report(line: string): void {
  process.stderr.write(`guest: ${line}\n`);
}

async function main([word = "tuned", ...rest]: readonly string[]): Promise<number> {
  if (word === "--if-built" && rest.length === 0) return (await builtTunedKernel()) === undefined ? 1 : 0;
  const name = kernelNames.find((known) => known === word);
  if (name === undefined || rest.length > 0) {
    report(`unknown argument ${[word, ...rest].join(" ")} (known: ${kernelNames.join(", ")}, --if-built)`);
    return 2;
  }
  await use(name);
  return 0;
}

async function use(name: KernelName): Promise<void> {
  if (name === "tuned") await tunedKernel(report);
  await chooseKernelOfTree(name);
  report(`the guest of this tree has ${name === "tuned" ? "the tuned kernel" : "Debian's kernel"}`);
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  report(error instanceof Error ? error.message : String(error));
  return 1;
});
