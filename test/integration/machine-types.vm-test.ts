/** A container's life on each machine type of QEMU, with a configuration that asks for everything the type has. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { succeed } from "../support/command.ts";
import { HugePages } from "../support/huge-pages.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const memoryMiB = 384;

/** Like Kata's files, without what needs a special host. */
const common = `
default_vcpus = 1
default_maxvcpus = 2
default_memory = ${memoryMiB}
enable_mem_prealloc = true
enable_swap = false
reclaim_guest_freed_memory = true
entropy_source = "/dev/urandom"
kernel_params = "kumite.mark=1 panic=-2"
cpu_features = "pmu=off"
virtio_fs_extra_args = ["--thread-pool-size=1", "--announce-submounts"]
enable_debug = true
`;

const boards = [
  {
    machineType: "q35",
    keys: 'default_bridges = 2\npcie_root_port = 2\nenable_iommu = true\nenable_iommu_platform = true\nmachine_accelerators = "dump-guest-core=off"\npflashes = ["/usr/share/seabios/bios-256k.bin"]',
    pci: true,
  },
  { machineType: "pc", keys: "default_bridges = 5", pci: true, hugePages: true },
  {
    machineType: "microvm",
    keys: 'default_bridges = 1\npcie_root_port = 2\nfirmware = "/usr/share/qemu/qboot.rom"',
    pci: false,
  },
];

describe("a container", onlyKumite, () => {
  let place: Workplace;
  let dumps: string;
  let hugePages: HugePages | undefined;
  before(async () => {
    place = await Workplace.open("machine-types");
    dumps = path.join(place.directory, "dumps");
    mkdirSync(dumps);
    hugePages = HugePages.reserve(memoryMiB / 2);
  });
  after(async () => {
    await place[Symbol.asyncDispose]();
    hugePages?.[Symbol.dispose]();
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  function configuration(machineType: string, keys: string): string {
    const file = place.path("configuration.toml");
    const dump = `guest_memory_dump_path = "${dumps}"`;
    writeFileSync(file, `[hypervisor.qemu]\nmachine_type = "${machineType}"\n${common}\n${dump}\n${keys}\n`);
    return file;
  }

  /** Creates a container in the background; its streams are files, so that nothing waits for their end. */
  async function created(config: string, id: string, script: string): Promise<void> {
    const bundle = await place.bundle(shell(script), ({ linux }) => {
      // For the panic below, and to see the VM's devices.
      Object.assign(linux, { maskedPaths: [], readonlyPaths: [] });
    });
    const words = place.argv("--config", config, "create", "--bundle", bundle.directory, id);
    const errors = place.path("errors");
    await succeed(["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', errors, ...words]).catch((cause: unknown) => {
      throw new Error(readFileSync(errors, "utf8"), { cause });
    });
  }

  for (const { machineType, keys, pci, ...board } of boards) {
    it(`runs on ${machineType} with everything that the configuration asks for, and a panic leaves a dump of the memory`, async () => {
      const id = place.newId();
      const huge = board.hugePages === true && hugePages !== undefined;
      await created(configuration(machineType, `${keys}\nenable_hugepages = ${huge}`), id, "while :; do sleep 1; done");
      await place.must(["start", id]);
      const look = async (command: string) => (await place.must(["exec", id, "sh", "-c", command])).stdout.trim();

      if (huge) assert.ok(HugePages.used() >= memoryMiB / 2);
      const parameters = (await look("cat /proc/cmdline")).split(" ");
      assert.equal(parameters.at(-2), "kumite.mark=1");
      assert.equal(parameters.filter((word) => word.startsWith("panic=")).at(-1), "panic=-2");
      // Nothing can be plugged into a VM without PCI, so room for vCPUs would only cost memory.
      assert.ok(parameters.includes(pci ? "nr_cpus=2" : "nr_cpus=1"), parameters.join(" "));
      assert.equal(await look("ls /sys/bus/pci/devices | wc -l").then((count) => Number(count) > 0), pci);
      assert.match(await look("cat /sys/class/misc/hw_random/rng_available"), /virtio_rng/);
      assert.match(await look("ls /sys/bus/virtio/drivers/virtio_balloon"), /virtio\d/);
      if (machineType === "q35") assert.match(await look("ls /sys/class/iommu"), /dmar0/);

      await place.runtime(["exec", id, "sh", "-c", "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger"]);
      await place.untilStatus(id, "stopped");
      const [dump = ""] = readdirSync(path.join(dumps, id));
      assert.ok(statSync(path.join(dumps, id, dump)).size >= memoryMiB * 1024 * 1024);
      rmSync(path.join(dumps, id), { recursive: true });
      await place.must(["delete", id]);
      assert.equal(existsSync(path.join(place.root, id)), false);
    });
  }
});
