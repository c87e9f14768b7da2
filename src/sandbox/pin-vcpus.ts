/**
 * Binds each vCPU to a CPU of the host of its own (`enable_vcpus_pinning`), if the containers' cpusets name as many
 * CPUs as the VM has vCPUs. Never fails: a VM without pinning works, too.
 */
import { runTool } from "../storage/host-tool.ts";
import { messageOf } from "../util/errors.ts";
import { cpusOfSet } from "./cpu-set-size.ts";
import { livingContainers } from "./fit-machine.ts";
import type { Sandbox } from "./sandbox.ts";

const toolTimeoutMs = 5_000;

/** Call after each change of size or of cpusets, because vCPUs then run on other threads. */
export function pinVcpus(sandbox: Sandbox): Promise<void> {
  return sandbox.sizeChanges.take(async () => {
    const { log, config } = sandbox.host;
    if (!config.runtime.vcpuPinning || sandbox.state.phase !== "running") return;
    const { plug } = sandbox.state.vm.machine;
    if (plug === undefined) return;
    const sets = livingContainers(sandbox).map(({ resources }) => cpusOfSet(resources.cpu?.cpus ?? "") ?? []);
    const processors = [...new Set(sets.flat())].sort((a, b) => a - b);
    try {
      const threads = await plug.vcpuThreads();
      const pinned = threads.length > 0 && threads.length === processors.length;
      if (!pinned && !sandbox.pinned) return;
      const anywhere = pinned ? "" : await ownProcessors(sandbox);
      for (const [index, thread] of threads.entries())
        await bind(sandbox, thread, pinned ? `${processors[index]}` : anywhere);
      sandbox.pinned = pinned;
      const fields = { phase: "resize", vcpus: threads.length, processors: processors.join(",") };
      log.info(pinned ? "each vCPU is pinned to a CPU of its own" : "vCPUs are no longer pinned", fields);
    } catch (error) {
      log.warn(`vCPUs are not pinned: ${messageOf(error)}`, { phase: "resize" });
    }
  });
}

async function bind({ host }: Sandbox, thread: number, processors: string): Promise<void> {
  const args = ["--pid", "--cpu-list", processors, String(thread)];
  await runTool(host.os, { tool: "taskset", args, package: "util-linux", timeoutMs: toolTimeoutMs });
}

/** The CPUs that this process may use, which are also those of a new VM. */
async function ownProcessors({ host }: Sandbox): Promise<string> {
  const status = await host.os.files.readText("/proc/self/status");
  return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "0";
}
