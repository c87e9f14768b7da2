/**
 * Changes to a running QEMU. They are serialised, because places and numbers are chosen between a query and its
 * command.
 */
import type { Os } from "../../../sys/os.ts";
import { Turns } from "../../../util/turns.ts";
import type { MachinePlug, MachineSize, MemoryTarget, PluggedDevice, ResizedMemory } from "../../plug.ts";
import type { Disk, NetworkTap } from "../../spec.ts";
import type { PlugContext } from "./context.ts";
import { currentMiB, resizeByDimms } from "./dimms.ts";
import { addDisk } from "./disks.ts";
import { exchangeDisk } from "./exchange-disk.ts";
import { plugFailed } from "./failure.ts";
import { addNetwork } from "./networks.ts";
import { addVcpus, removeVcpus } from "./vcpus.ts";
import { resizeByVirtioMem } from "./virtio-mem.ts";

export class QemuPlug implements MachinePlug {
  readonly #os: Os;
  readonly #context: PlugContext;
  readonly #turns = new Turns();
  #lostVcpus = false;

  constructor(os: Os, context: PlugContext) {
    this.#os = os;
    this.#context = context;
  }

  /**
   * False under emulation: TCG keeps removed vCPUs in a list and crashes when it uses them at the next change of its
   * memory map (QEMU 7.2).
   */
  get removesVcpus(): boolean {
    return this.#context.accelerator !== "tcg";
  }

  async size(signal?: AbortSignal): Promise<MachineSize> {
    const { monitor } = this.#context;
    const [slots, memoryMiB] = await Promise.all([
      monitor.execute("query-hotpluggable-cpus", {}, { signal }),
      currentMiB(this.#context, signal),
    ]);
    const vcpus = slots.filter(({ path }) => path !== undefined).length;
    return { vcpus, maxVcpus: slots.length, memoryMiB };
  }

  vcpuThreads(signal?: AbortSignal): Promise<readonly number[]> {
    return this.#context.monitor.execute("query-cpus-fast", {}, { signal });
  }

  addVcpus(count: number, signal?: AbortSignal): Promise<number> {
    return this.#turns.take(() => addVcpus(this.#context, count, signal));
  }

  removeVcpus(count: number, signal?: AbortSignal): Promise<number> {
    return this.#turns.take(() => {
      this.#lostVcpus ||= count > 0;
      return removeVcpus(this.#context, count, signal);
    });
  }

  resizeMemory(target: MemoryTarget, signal?: AbortSignal): Promise<ResizedMemory> {
    const way = this.#context.memory.growth?.by ?? "dimm";
    const resize = way === "virtio-mem" ? resizeByVirtioMem : resizeByDimms;
    return this.#mapping(() => resize(this.#context, target, signal));
  }

  addDisk(disk: Disk, signal?: AbortSignal): Promise<PluggedDevice> {
    return this.#mapping(() => addDisk(this.#os, this.#context, disk, signal));
  }

  exchangeDisk(disk: Disk, signal?: AbortSignal): Promise<void> {
    return this.#turns.take(() => exchangeDisk(this.#os, this.#context, disk, signal));
  }

  addNetwork(network: NetworkTap, signal?: AbortSignal): Promise<PluggedDevice> {
    return this.#mapping(() => addNetwork(this.#os, this.#context, network, signal));
  }

  /** For operations that change the memory map. */
  #mapping<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take(async () => {
      if (this.#lostVcpus && !this.removesVcpus) {
        throw plugFailed("nothing can be added to an emulated VM whose vCPUs were removed", {
          hint: "use a host with KVM, or keep the vCPUs",
        });
      }
      return work();
    });
  }
}
