/** The floor's options, taken from the command line of a VM that the product itself has started. */
import { readFileSync, readlinkSync } from "node:fs";
import type { Bundle } from "../../test/support/bundle.ts";
import { processOf } from "../../test/support/sandbox.ts";
import type { BenchContext } from "../context.ts";
import { buildFloor } from "./build.ts";
import type { FloorOptions } from "./run.ts";

/** @param bundle of a container that prints `up` and ends when it has read a line */
export async function asTheProduct({ place }: BenchContext, bundle: Bundle): Promise<FloorOptions> {
  const guest = await buildFloor();
  const id = place.newId();
  const running = place.begin(["run", "--bundle", bundle.directory, id], { stdin: "" });
  await running.untilOutput("up");
  const pid = await processOf(id, "qemu");
  const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  const qemu = readlinkSync(`/proc/${pid}/exe`);
  running.child.stdin?.end("\n");
  await running.finished;
  const optionOf = (flag: string): string => argv[argv.indexOf(flag) + 1] ?? "";
  return {
    guest,
    qemu,
    accelerator: optionOf("-accel").startsWith("kvm") ? "kvm" : "tcg",
    memoryMiB: Number(/(\d+)M/.exec(optionOf("-m"))?.[1]),
    parameters: optionOf("-append").split(" "),
  };
}
