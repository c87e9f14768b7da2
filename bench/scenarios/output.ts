/**
 * 64 MiB of a process's standard output through agent, shim and relay, next to the floor of the same VM: the same
 * program writing into a pipe that a second process in the guest empties. And input of a process.
 */
import { once } from "node:events";
import { shell } from "../../test/support/bundle.ts";
import { processOf } from "../../test/support/sandbox.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atLeast, type Figure, type Findings, median } from "../figures.ts";
import { cpuSeconds } from "../process-cost.ts";

const mebibytes = 64;
/** Input is slower; in MiB. */
const inputMebibytes = 16;

/** Output is only as fast as its program: busybox's `head -c` copies byte by byte. */
const writers = {
  "blocks of 64 KiB": `dd if=/dev/zero bs=64k count=${mebibytes * 16}`,
  "blocks of 4 KiB": `dd if=/dev/zero bs=4k count=${mebibytes * 256}`,
  "head -c": `head -c ${mebibytes * 1024 * 1024} /dev/zero`,
} as const;
const judged = "blocks of 64 KiB";

type Writer = keyof typeof writers;

interface Samples {
  readonly rate: number[];
  readonly floor: number[];
  readonly cpuMsPerMiB: number[];
}

export async function output(context: BenchContext): Promise<Findings> {
  const { place } = context;
  context.progress(`${mebibytes} MiB of output, by ${Object.keys(writers).length} writers`);
  const id = await place.runDetached(await place.bundle(shell("while :; do sleep 1000; done")));
  const found = new Map(Object.keys(writers).map((name) => [name as Writer, emptySamples()]));
  const input: number[] = [];
  for (let round = 0; round < rounds(context, 5, 2); round++) {
    for (const [writer, samples] of found) {
      const { rate, cpuSeconds: spent } = await stream(context, id, writers[writer]);
      samples.rate.push(rate);
      samples.cpuMsPerMiB.push((spent * 1000) / mebibytes);
      samples.floor.push(await floorOf(context, id, writers[writer]));
    }
    input.push(await feed(context, id));
  }
  await place.remove(id);
  return {
    figures: [...[...found].flatMap(([name, samples]) => figuresOf(name, samples)), figure("input", "MiB/s", input)],
    verdicts: [atLeast(`a process's output in ${judged}`, median(found.get(judged)?.rate ?? []), 100, "MiB/s")],
    notes: [
      "from the first byte to the last, as the reader of `exec` sees them",
      "floor: the same writer into `dd of=/dev/null bs=1M` inside the container",
      "QEMU's CPU time is that of the whole exec",
    ],
  };
}

function emptySamples(): Samples {
  return { rate: [], floor: [], cpuMsPerMiB: [] };
}

function figuresOf(name: string, { rate, floor, cpuMsPerMiB }: Samples): Figure[] {
  return [
    figure(`${name}, to the host`, "MiB/s", rate),
    figure(`${name}, floor in the guest`, "MiB/s", floor),
    figure(`${name}, QEMU's CPU time per MiB`, "ms", cpuMsPerMiB),
  ];
}

function figure(name: string, unit: Figure["unit"], samples: readonly number[]): Figure {
  return { name, unit, samples };
}

async function stream({ place }: BenchContext, id: string, writer: string) {
  const qemu = await processOf(id, "qemu");
  const before = cpuSeconds(qemu);
  const running = place.begin(["exec", id, "sh", "-c", `${writer} 2>/dev/null`]);
  let [first, last] = [Number.NaN, Number.NaN];
  running.child.stdout?.on("data", () => {
    last = performance.now();
    if (Number.isNaN(first)) first = last;
  });
  const { stdoutBytes } = await running.finished;
  if (stdoutBytes.length !== mebibytes * 1024 * 1024) throw new Error(`${stdoutBytes.length} bytes came`);
  return { rate: mebibytes / ((last - first) / 1000), cpuSeconds: cpuSeconds(qemu) - before };
}

/** In MiB/s, by the guest's clock, which has steps of 10 ms. */
async function floorOf({ place }: BenchContext, id: string, writer: string): Promise<number> {
  const script = `time sh -c '${writer} 2>/dev/null | dd of=/dev/null bs=1M 2>/dev/null'`;
  const { stderr } = await place.must(["exec", id, "sh", "-c", script]);
  const [, minutes, seconds] = /real\s+(\d+)m\s*([\d.]+)s/.exec(stderr) ?? [];
  if (seconds === undefined) throw new Error(`no time in ${JSON.stringify(stderr)}`);
  return mebibytes / (Number(minutes) * 60 + Number(seconds));
}

/** In MiB/s, from the process's first output to its end. */
async function feed({ place }: BenchContext, id: string): Promise<number> {
  const running = place.begin(["exec", id, "sh", "-c", "echo ready; exec cat >/dev/null"], { stdin: "" });
  await running.untilOutput("ready");
  const began = performance.now();
  const block = new Uint8Array(1024 * 1024);
  const { stdin } = running.child;
  if (stdin === null) throw new Error("no input");
  for (let sent = 0; sent < inputMebibytes; sent++) if (!stdin.write(block)) await once(stdin, "drain");
  stdin.end();
  const { status } = await running.finished;
  if (status !== 0) throw new Error(`cat ended with ${status}`);
  return inputMebibytes / ((performance.now() - began) / 1000);
}
