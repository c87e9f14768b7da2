/**
 * A running VM with a connected agent, used by sandboxes and provided by the factory. It records the VM's vCPUs and
 * memory, because they change in two steps: plugged into the VM, then onlined by the guest. Knows nothing of bundles,
 * containers' state or the command line.
 */
import type { AgentClient } from "../agent-client/agent-client.ts";
import type { DriverCapabilities, RunningVm, StartContext } from "../hypervisor/driver.ts";
import type { MachinePlug } from "../hypervisor/plug.ts";
import type { VmSpec } from "../hypervisor/spec.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError, KumiteError, messageOf } from "../util/errors.ts";

/** Bytes for the guest's random generator. */
const seedBytes = 512;
/** For one call to an agent that has answered before. Under emulation a plugged vCPU takes time to start. */
const callTimeoutMs = 60_000;
const mib = 1024n * 1024n;

export interface VmParts {
  readonly os: Os;
  readonly id: string;
  readonly machine: RunningVm;
  readonly capabilities: DriverCapabilities;
  readonly agent: AgentClient;
  /** What the VM has now. */
  readonly spec: Pick<VmSpec, "vcpus" | "memoryMiB">;
  /** Default: what the VM has now. */
  readonly bootVcpus?: number;
  readonly log: StartContext["log"];
}

export interface VmStatus {
  /** Pid of the VMM process. */
  readonly pid: number;
  /** In use by the guest, or added and about to be brought online by `onlineCpusAndMemory`. */
  readonly vcpus: number;
  readonly memoryMiB: number;
}

export class Vm {
  readonly id: string;
  readonly machine: RunningVm;
  readonly capabilities: DriverCapabilities;
  readonly agent: AgentClient;
  readonly #parts: VmParts;
  /** The vCPUs that the VM was started with. */
  readonly bootVcpus: number;
  #vcpus: number;
  #memoryMiB: number;
  /** vCPUs that were added and are not online yet. */
  #vcpusToOnline = 0;
  #guestMemory: Promise<{ readonly blockMiB: number; readonly probes: boolean }> | undefined;
  #handedOver = false;

  constructor(parts: VmParts) {
    this.id = parts.id;
    this.machine = parts.machine;
    this.capabilities = parts.capabilities;
    this.agent = parts.agent;
    this.#parts = parts;
    this.bootVcpus = parts.bootVcpus ?? parts.spec.vcpus;
    this.#vcpus = parts.spec.vcpus;
    this.#memoryMiB = parts.spec.memoryMiB;
  }

  status(): VmStatus {
    return { pid: this.machine.pid, vcpus: this.#vcpus, memoryMiB: this.#memoryMiB };
  }

  /** vCPUs that were added and not yet brought online. */
  get vcpusToOnline(): number {
    return this.#vcpusToOnline;
  }

  /**
   * Adds at most what the VM can have. vCPUs that the guest has switched off are used first.
   * @returns how many were added
   * @throws KumiteError `hypervisor/plug-failed`; vCPUs added by then count
   */
  async addCpus(count: number, signal?: AbortSignal): Promise<number> {
    if (count <= 0) return 0;
    const plug = this.#plug("vcpu");
    const resting = (await plug.size(signal)).vcpus - this.#vcpus;
    const fresh = Math.max(0, count - resting);
    try {
      return this.#count(Math.min(count, resting) + (fresh > 0 ? await plug.addVcpus(fresh, signal) : 0));
    } catch (error) {
      if (isKumiteError(error) && typeof error.data.added === "number") this.#count(resting + error.data.added);
      throw error;
    }
  }

  #count(added: number): number {
    this.#vcpus += added;
    this.#vcpusToOnline += added;
    return added;
  }

  /**
   * Unplugs vCPUs if that is safe. Otherwise the guest takes them offline, which only our agent does.
   * @throws KumiteError `hypervisor/plug-failed`; vCPUs removed by then count
   */
  async removeCpus(count: number, signal?: AbortSignal): Promise<void> {
    if (count <= 0) return;
    const plug = this.#plug("vcpu");
    const left = Math.max(1, this.#vcpus - count);
    if (!plug.removesVcpus) {
      const request = { nbCpus: left, cpuOnly: true, wait: true, kumiteExact: true };
      await this.agent.onlineCPUMem(request, { signal, timeoutMs: callTimeoutMs });
      this.#vcpus = left;
      return;
    }
    try {
      await plug.removeVcpus(this.#vcpus - left, signal);
      this.#vcpus = left;
    } catch (error) {
      if (isKumiteError(error) && typeof error.data.removed === "number") this.#vcpus -= error.data.removed;
      throw error;
    }
  }

  /** @throws KumiteError `hypervisor/plug-failed` */
  async addMemory(addedMiB: number, signal?: AbortSignal): Promise<void> {
    if (addedMiB > 0) await this.resizeMemory(this.#memoryMiB + addedMiB, signal);
  }

  /**
   * Grows by whole blocks of the guest; shrinks if the VM can.
   * @throws KumiteError `hypervisor/plug-failed`; memory added by then counts
   */
  async resizeMemory(memoryMiB: number, signal?: AbortSignal): Promise<void> {
    const plug = this.#plug("memory");
    const options = { signal, timeoutMs: callTimeoutMs };
    const { blockMiB, probes } = await this.#guestMemoryFacts(signal);
    const online = async (): Promise<void> =>
      void (await this.agent.onlineCPUMem({ cpuOnly: false, wait: true }, options));
    try {
      const resized = await plug.resizeMemory({ memoryMiB, blockMiB, onDevice: online }, signal);
      this.#memoryMiB = resized.memoryMiB;
      const blocks = probes ? resized.added.flatMap((range) => blockAddresses(range, blockMiB)) : [];
      if (blocks.length > 0) await this.agent.memHotplugByProbe({ memHotplugProbeAddr: blocks }, options);
    } catch (error) {
      if (isKumiteError(error) && typeof error.data.memoryMiB === "number") this.#memoryMiB = error.data.memoryMiB;
      throw error;
    }
  }

  /** Brings added vCPUs and memory online in the guest. Can be retried after a failure. */
  async onlineCpusAndMemory(signal?: AbortSignal): Promise<void> {
    await this.#online(false, signal);
  }

  async onlineCpus(signal?: AbortSignal): Promise<void> {
    if (this.#vcpusToOnline > 0) await this.#online(true, signal);
  }

  async #online(cpuOnly: boolean, signal: AbortSignal | undefined): Promise<void> {
    await this.agent.onlineCPUMem({ nbCpus: this.#vcpus, cpuOnly, wait: true }, { signal, timeoutMs: callTimeoutMs });
    this.#vcpusToOnline = 0;
  }

  /** Reseeds a guest whose random state others may know: one that was cloned, or has just booted. */
  async reseedRng(signal?: AbortSignal): Promise<void> {
    try {
      await this.agent.reseedRandomDev(
        { data: this.#parts.os.random(seedBytes) },
        { signal, timeoutMs: callTimeoutMs },
      );
    } catch (error) {
      this.#parts.log("warn", `the guest's random generator was not seeded: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Sets the guest's clock to the host's. */
  async syncTime(signal?: AbortSignal): Promise<void> {
    const microseconds = BigInt(Math.floor(this.#parts.os.clock.now() * 1000));
    const time = { Sec: microseconds / 1_000_000n, Usec: microseconds % 1_000_000n };
    await this.agent.setGuestDateTime(time, { signal, timeoutMs: callTimeoutMs });
  }

  /** Pauses the guest. @throws KumiteError `hypervisor/unsupported` */
  async pause(signal?: AbortSignal): Promise<void> {
    if (this.machine.pause === undefined) throw this.#unsupported("be paused");
    await this.machine.pause(signal);
  }

  async resume(signal?: AbortSignal): Promise<void> {
    if (this.machine.resume === undefined) throw this.#unsupported("be resumed");
    await this.machine.resume(signal);
  }

  /** Frees the agent for another client. Never fails. */
  disconnect(): void {
    this.agent.close();
  }

  /**
   * Transfers the VM to a new owner, who has to stop it: `stop` on this object then does nothing.
   * @throws KumiteError `internal` the second time
   */
  handOver(): Vm {
    if (this.#handedOver) throw new KumiteError("internal", `VM ${this.id} has already been handed over`);
    this.#handedOver = true;
    const spec = { vcpus: this.#vcpus, memoryMiB: this.#memoryMiB };
    const heir = new Vm({ ...this.#parts, spec, bootVcpus: this.bootVcpus });
    heir.#vcpusToOnline = this.#vcpusToOnline;
    return heir;
  }

  /** Disconnects the agent and stops the VM. Runs to its end even if a step fails. */
  async stop(signal?: AbortSignal): Promise<void> {
    if (this.#handedOver) return;
    this.disconnect();
    await this.machine.stop(signal);
  }

  #plug(kind: DriverCapabilities["hotplug"][number]): MachinePlug {
    const { plug } = this.machine;
    if (plug !== undefined && this.capabilities.hotplug.includes(kind)) return plug;
    throw this.#unsupported("grow");
  }

  #unsupported(what: string): KumiteError {
    return new KumiteError("hypervisor/unsupported", `VM ${this.id} cannot ${what}`, { phase: "vm" });
  }

  /** Asked once, because the answer does not change while a guest runs. */
  #guestMemoryFacts(signal?: AbortSignal) {
    const ask = async () => {
      const request = { memBlockSize: true, memHotplugProbe: true };
      const details = await this.agent.getGuestDetails(request, { signal, timeoutMs: callTimeoutMs });
      return { blockMiB: blockSizeOf(details.memBlockSizeBytes), probes: details.supportMemHotplugProbe };
    };
    this.#guestMemory ??= ask().catch((error: unknown) => {
      this.#guestMemory = undefined;
      throw error;
    });
    return this.#guestMemory;
  }
}

/** Larger than on any kernel: a larger answer is not trusted. */
const mostBlockMiB = 2048;

function blockSizeOf(bytes: bigint): number {
  const sizeMiB = Number(bytes / mib);
  return sizeMiB <= mostBlockMiB ? sizeMiB : 0;
}

function blockAddresses(
  { address, size }: { readonly address: bigint; readonly size: bigint },
  blockMiB: number,
): bigint[] {
  const step = BigInt(Math.max(1, blockMiB)) * mib;
  return Array.from({ length: Number(size / step) }, (_, index) => address + BigInt(index) * step);
}
