/**
 * Starts a machine and waits for its agent: the part of a start that is the same whatever the machine is made of.
 * When the guest does not come up, the error says how far it came.
 */
import { connectAgent } from "../agent-client/connect.ts";
import type { Config, QemuConfig } from "../config/config.ts";
import type { DriverCapabilities, RunningVm, StartContext, VmExit } from "../hypervisor/driver.ts";
import type { VmSpec } from "../hypervisor/spec.ts";
import type { Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { driverFor } from "./driver-for.ts";
import { Vm } from "./vm.ts";

/** What the configuration does not say. */
export interface VmRequest
  extends Pick<
    VmSpec,
    "id" | "directory" | "sharedDirectories" | "disks" | "cgroups" | "memoryBacking" | "restoreFrom"
  > {
  /** Default: that of the configuration. */
  readonly size?: BootSize;
  /** Added to those of the configuration. */
  readonly kernelParameters?: readonly string[];
  /** Instead of the configuration's limit for the agent's first answer. */
  readonly dialTimeoutMs?: number;
}

export interface BootSize {
  readonly vcpus: number;
  /** Instead, where none can be plugged in later. */
  readonly allVcpus: number;
  readonly memoryMiB: number;
  /** It may become larger while it runs. */
  readonly grows: boolean;
}

const consoleLines = 30;
const endMs = 1_000;

/**
 * Resolves when the agent has answered. A failed start has left nothing behind.
 *
 * @throws KumiteError of the driver; `agent/unreachable` when the guest does not answer or ends before, with the last
 *   lines of its console
 */
export async function startVm(os: Os, config: Config, request: VmRequest, context: StartContext): Promise<Vm> {
  const startedMs = os.clock.monotonic();
  const driver = driverFor(os, config);
  const spec = specOf(config, request, driver.capabilities);
  const machine = await driver.start(spec, context);
  try {
    const agent = await connectOrEnd(machine, request.dialTimeoutMs ?? config.agent.dialTimeoutMs, context.signal);
    context.log("info", "the agent answered", {
      version: agent.version,
      ms: Math.round(os.clock.monotonic() - startedMs),
    });
    return new Vm({ os, id: request.id, machine, capabilities: driver.capabilities, agent, spec, log: context.log });
  } catch (error) {
    const console = machine.consoleTail(consoleLines);
    await machine.stop();
    if (context.signal.aborted) throw error;
    throw notUp(request.id, error, { elapsedMs: Math.round(os.clock.monotonic() - startedMs), console });
  }
}

export function specOf({ qemu, agent }: Config, request: VmRequest, capabilities: DriverCapabilities): VmSpec {
  const { kernelParameters = [], dialTimeoutMs: _ours, size, ...rest } = request;
  return {
    ...rest,
    ...sizeOf(qemu, size, capabilities),
    guest: { kernel: qemu.kernel, initrd: initrdOf(qemu), agent: agent.path },
    kernelParameters: [...agentParameters(agent), ...kernelParameters, ...qemu.kernelParameters],
  };
}

function sizeOf(machine: QemuConfig, size: BootSize | undefined, { hotplug }: DriverCapabilities): SizeSpec {
  const { vcpus, memoryMiB } = size ?? machine;
  const grows = size?.grows ?? true;
  if (!grows || hotplug.length === 0) return { vcpus: size?.allVcpus ?? vcpus, memoryMiB };
  const { maxVcpus, maxMemoryMiB, memoryOffsetMiB, memorySlots, memory } = machine;
  const maxMiB = maxMemoryMiB + memoryOffsetMiB;
  const by = memory.virtioMem ? "virtio-mem" : "dimm";
  return {
    vcpus,
    maxVcpus: Math.max(vcpus, maxVcpus),
    memoryMiB,
    ...(maxMiB > memoryMiB ? { memoryGrowth: { maxMiB, slots: memorySlots, by } } : {}),
  };
}

type SizeSpec = Pick<VmSpec, "vcpus" | "maxVcpus" | "memoryMiB" | "memoryGrowth">;

function agentParameters({ debug, debugConsole }: Config["agent"]): string[] {
  const console = ["agent.debug_console", "agent.debug_console_vport=1026"];
  return [...(debug ? ["agent.log=debug"] : []), ...(debugConsole ? console : [])];
}

export function initrdOf({ initrd, image }: QemuConfig): string {
  if (initrd !== undefined) return initrd;
  throw new KumiteError("hypervisor/unsupported", `no guest can be started from the image ${image} yet`, {
    phase: "vm.start",
    hint: "give an initrd instead, or neither to use Kumite's own guest",
  });
}

/** A machine that ends will never answer: that is known long before the time limit. */
async function connectOrEnd(machine: RunningVm, timeoutMs: number, signal: AbortSignal) {
  const life = new AbortController();
  const stop = (): void => life.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const ended = machine.exited.then((exit) => {
    const error = new Error(describe(exit));
    life.abort(error);
    throw error;
  });
  // It loses the race whenever the agent answers, and rejects much later.
  ended.catch(() => {});
  try {
    return await Promise.race([connectAgent(machine.agentChannel, { signal: life.signal, timeoutMs }), ended]);
  } catch (error) {
    // The channel of a machine that ends breaks a moment before its end is known, and the end says more.
    if (!life.signal.aborted && !isKumiteError(error, "timeout")) await failSoon(ended);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Rejects as the promise does, if it does so within a moment. */
async function failSoon(promise: Promise<never>): Promise<void> {
  try {
    await withDeadline(endMs, "the machine's end", () => promise);
  } catch (error) {
    if (!isKumiteError(error, "timeout")) throw error;
  }
}

function describe(exit: VmExit): string {
  switch (exit.reason) {
    case "stopped":
      return "the machine was stopped";
    case "guest-shutdown":
      return "the guest switched itself off";
    case "died":
      return `${exit.process} ${exit.detail}`;
  }
}

export function notUp(id: string, cause: unknown, data: Readonly<Record<string, unknown>>): KumiteError {
  return new KumiteError("agent/unreachable", `sandbox ${id}: the guest did not come up`, {
    phase: "vm.start",
    hint: `\`kumite logs ${id}\` shows how far it came; \`--debug\` logs every step`,
    data,
    cause,
  });
}
