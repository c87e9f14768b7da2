/**
 * Adapts the size of a running sandbox's VM, and its limits on the host, to what the containers need now. Changes are
 * made one at a time.
 */
import { mergeCpuLimits } from "../cgroups/cpu-limit.ts";
import { machineCgroupsIn } from "../cgroups/sandbox-cgroups.ts";
import { limitVcpus } from "../cgroups/vcpu-group.ts";
import { messageOf } from "../util/errors.ts";
import type { Vm } from "../vm/vm.ts";
import { growSwap } from "./guest-swap.ts";
import { type SizedContainer, sizingOf } from "./machine-size.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Sizing } from "./sizing.ts";

/** The size for the containers that have not stopped. */
export function sandboxSizing(sandbox: Sandbox): Sizing {
  return sizingOf(sandbox.host.config, livingContainers(sandbox));
}

export function livingContainers(sandbox: Sandbox): SizedContainer[] {
  return [...sandbox.containers.values()]
    .filter(({ process }) => process.state.phase !== "stopped")
    .map(({ id, resources, bundle }) => ({ id, resources, annotations: bundle.spec.annotations }));
}

/**
 * Adds what is missing. Surplus stays; see `shrinkMachine`.
 *
 * @throws KumiteError `hypervisor/plug-failed`, `agent/failed` and others; what was added by then stays
 */
export function growMachine(sandbox: Sandbox, signal?: AbortSignal): Promise<void> {
  return sandbox.sizeChanges.take(async () => {
    const { vm } = sandbox.running();
    const { vcpus, memoryMiB } = sandboxSizing(sandbox);
    const now = vm.status();
    if (!sandbox.host.config.runtime.staticResources) {
      const asking = livingContainers(sandbox).map(({ resources }) => resources);
      await growSwap(sandbox, asking, signal);
    }
    if (vcpus > now.vcpus && canChange(sandbox, vm, "vcpu")) {
      await vm.addCpus(vcpus - now.vcpus, signal);
      await vm.onlineCpus(signal);
    }
    if (memoryMiB > now.memoryMiB && canChange(sandbox, vm, "memory")) {
      await vm.resizeMemory(memoryMiB, signal);
      await vm.onlineCpusAndMemory(signal);
    }
    logChange(sandbox, vm, now);
  });
}

/** Removes surplus as far as guest and VM allow it. Never fails, since the VM works at any size. */
export function shrinkMachine(sandbox: Sandbox): Promise<void> {
  return sandbox.sizeChanges.take(async () => {
    if (sandbox.state.phase !== "running") return;
    const { vm } = sandbox.state;
    const now = vm.status();
    try {
      const { vcpus, memoryMiB } = sandboxSizing(sandbox);
      if (vcpus < now.vcpus && canChange(sandbox, vm, "vcpu")) await vm.removeCpus(now.vcpus - vcpus);
      if (memoryMiB < now.memoryMiB && canGiveMemoryBack(sandbox, vm)) await vm.resizeMemory(memoryMiB);
    } catch (error) {
      sandbox.host.log.warn(`the VM could not be shrunk: ${messageOf(error)}`, { phase: "resize" });
    }
    logChange(sandbox, vm, now);
  });
}

/** Adapts the VM to the containers that are left when one has stopped. Never fails. */
export async function fitMachineToRest(sandbox: Sandbox): Promise<void> {
  await shrinkMachine(sandbox);
  try {
    if (sandbox.state.phase === "running") await limitMachine(sandbox);
  } catch (error) {
    sandbox.host.log.warn(`the VM keeps its CPU limit on the host: ${messageOf(error)}`, { phase: "resize" });
  }
}

/**
 * Limits the vCPUs on the host to what the containers that have not stopped may use together. The threads are queried
 * each time, because vCPUs run on other threads after a change of size.
 *
 * @throws KumiteError `cgroup/failed`, or an error of the VM
 */
export function limitMachine(sandbox: Sandbox, signal?: AbortSignal): Promise<void> {
  return sandbox.sizeChanges.take(async () => {
    const { vm } = sandbox.running();
    const { os, config, log } = sandbox.host;
    const { plug } = vm.machine;
    if (plug === undefined || config.runtime.sandboxCgroupOnly) return;
    const limit = mergeCpuLimits(livingContainers(sandbox).map(({ resources }) => resources.cpu ?? {}));
    if (limit === undefined && !sandbox.limited) return;
    const cgroups = machineCgroupsIn(sandbox.resources?.journal.content.steps ?? []);
    const result = await limitVcpus(os, cgroups, await plug.vcpuThreads(signal), limit);
    if (result.kind === "not-enforced" && !sandbox.limited) {
      log.warn(`the CPU limit applies only in the guest, not on the host: ${result.why}`, { phase: "resize" });
    }
    sandbox.limited = true;
  });
}

function canChange({ host }: Sandbox, vm: Vm, what: "vcpu" | "memory"): boolean {
  return (
    !host.config.runtime.staticResources && vm.machine.plug !== undefined && vm.capabilities.hotplug.includes(what)
  );
}

/** Memory that was added as DIMMs cannot be removed. */
function canGiveMemoryBack(sandbox: Sandbox, vm: Vm): boolean {
  const { qemu } = sandbox.host.config;
  return qemu.memory.virtioMem && canChange(sandbox, vm, "memory");
}

function logChange({ host }: Sandbox, vm: Vm, before: ReturnType<Vm["status"]>): void {
  const { vcpus, memoryMiB } = vm.status();
  if (vcpus === before.vcpus && memoryMiB === before.memoryMiB) return;
  host.log.info("the VM was resized", { phase: "resize", vcpus, memoryMiB });
}
