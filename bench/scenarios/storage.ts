/**
 * Small files and streams on each kind of root file system, with cold caches in the guest, next to the same program on
 * the host and on an ext4 of a VM that runs nothing else.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { kinds, type RootKind } from "../../test/integration/root-file-systems.ts";
import { type Bundle, shell } from "../../test/support/bundle.ts";
import { succeed } from "../../test/support/command.ts";
import { makeDiskImage } from "../../test/support/disk-image.ts";
import { processOf } from "../../test/support/sandbox.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Figure, type Findings, median } from "../figures.ts";
import { buildDiskFloor, type DiskFloor, runDiskFloor } from "../floor/disk.ts";

const imageMiB = 512;
const measures = ["read 64 MiB", "read 500 files", "write 64 MiB and flush", "create 200 files"] as const;
type Times = Record<string, number>;

export async function storage(context: BenchContext): Promise<Findings> {
  const { place } = context;
  context.progress(`files on the host, on a bare machine and on ${kinds.length} kinds of root file systems`);
  const floor = await buildDiskFloor(place.path("floor"));
  const found = new Map<string, Times[]>();
  for (let round = 0; round < rounds(context, 3, 1); round++) {
    const add = (name: string, times: Times) => found.set(name, [...(found.get(name) ?? []), times]);
    add("host", await onHost(context, floor));
    add("bare machine, ext4", await onBareMachine(context, floor));
    for (const kind of kinds) add(kind.name, await inContainer(context, floor, kind));
  }
  const of = (name: string, measure: string): number[] =>
    (found.get(name) ?? []).map((times) => times[measure] ?? Number.NaN);
  const ratio = (measure: string): number => median(of("image", measure)) / median(of("bare machine, ext4", measure));
  return {
    figures: [...found.keys()].flatMap((name) =>
      measures.map((measure): Figure => ({ name: `${name}: ${measure}`, unit: "ms", samples: of(name, measure) })),
    ),
    verdicts: [
      atMost("reading small files of an image, over the bare machine's", ratio("read 500 files"), 1.5, "ratio"),
      atMost("reading a stream of an image, over the bare machine's", ratio("read 64 MiB"), 1.5, "ratio"),
    ],
    notes: [
      "cold in the guest, warm on the host",
      "layers on disks go with the machine: what is flushed there need not be on the medium",
    ],
  };
}

async function prepared(directory: string, { program }: DiskFloor): Promise<void> {
  await mkdir(path.join(directory, "data"), { recursive: true });
  await copyFile(program, path.join(directory, "io"));
  await succeed([program, path.join(directory, "data"), "prepare"]);
}

async function onHost({ place }: BenchContext, floor: DiskFloor): Promise<Times> {
  const directory = place.path("host");
  await prepared(directory, floor);
  const { stdout } = await succeed([floor.program, path.join(directory, "data")]);
  await rm(directory, { recursive: true });
  return timesOf(stdout);
}

async function onBareMachine(context: BenchContext, floor: DiskFloor): Promise<Times> {
  const { place } = context;
  const directory = place.path("bare");
  await prepared(directory, floor);
  const image = place.path("bare.ext4");
  await makeDiskImage(image, "ext4", path.join(directory, "data"), imageMiB);
  await rm(directory, { recursive: true });
  const said = await runDiskFloor(floor, await asTheProduct(context), image);
  await rm(image);
  return timesOf(said);
}

async function inContainer({ place }: BenchContext, floor: DiskFloor, kind: RootKind): Promise<Times> {
  const bundle: Bundle = await place.bundle((config) => {
    config.process.args = ["/io", "/data"];
    config.annotations = { ...kind.annotations };
    if (kind.disk === true) config.root.path = "root.ext4";
  });
  await prepared(bundle.rootfs, floor);
  if (kind.disk === true) await makeDiskImage(`${bundle.directory}/root.ext4`, "ext4", bundle.rootfs, imageMiB);
  const toml = place.path("configuration.toml");
  const cache = place.path("cache");
  const own = `rootfs_image_directory = "${cache}/images"\nrootfs_upper_directory = "${cache}/uppers"\n`;
  await writeFile(toml, `[runtime]\n${own}${kind.toml}`);
  const { stdout } = await place.must([
    "--config",
    toml,
    "--set",
    "factory.enable_template=false",
    "run",
    "--bundle",
    bundle.directory,
    place.newId(),
  ]);
  await rm(bundle.directory, { recursive: true });
  await rm(cache, { recursive: true, force: true });
  return timesOf(stdout);
}

function timesOf(said: string): Times {
  const times: Times = {};
  for (const measure of measures) {
    const value = new RegExp(`^${measure}: ([\\d.]+)`, "m").exec(said)?.[1];
    if (value === undefined) throw new Error(`no figure of "${measure}":\n${said}`);
    times[measure] = Number(value);
  }
  return times;
}

/** The options of a VM that the product itself has started. */
async function asTheProduct({ place }: BenchContext): Promise<Parameters<typeof runDiskFloor>[1]> {
  const id = await place.runDetached(await place.bundle(shell("sleep 1000")));
  const pid = await processOf(id, "qemu");
  const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  const qemu = readlinkSync(`/proc/${pid}/exe`);
  await place.remove(id);
  const optionOf = (flag: string): string => argv[argv.indexOf(flag) + 1] ?? "";
  return {
    qemu,
    accelerator: optionOf("-accel").startsWith("kvm") ? "kvm" : "tcg",
    memoryMiB: Number(/(\d+)M/.exec(optionOf("-m"))?.[1]),
    parameters: optionOf("-append").split(" "),
  };
}
