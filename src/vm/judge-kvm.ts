/** Whether VMs of a configuration would run under KVM on this host, without starting one of them. */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import { judgeKvm } from "../hypervisor/qemu/accelerator.ts";
import type { KvmVerdict } from "../hypervisor/qemu/kvm-verdicts.ts";
import type { Os } from "../sys/os.ts";
import type { Logger } from "../util/log.ts";

export interface KvmQuestion {
  readonly config: Config;
  /** Boots the probe even if the result is known already. */
  readonly anew: boolean;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** QEMU and the kernel of the configuration must exist. The probe dies with this process and leaves nothing. */
export function kvmVerdict(os: Os, { config, anew, log, signal }: KvmQuestion): Promise<KvmVerdict> {
  const { path, kernel } = hypervisorConfigOf(config);
  const context: StartContext = {
    willMake: async () => {},
    made: async () => {},
    signal,
    log: (level, message, fields) => log[level](message, { phase: "check", ...fields }),
  };
  return judgeKvm(os, context, { choice: "auto", qemu: path, kernel, cgroups: [], anew });
}
