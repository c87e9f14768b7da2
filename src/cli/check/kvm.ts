/** Checks KVM by booting a kernel under it, and names the alternative. */
import { type Config, hypervisorConfigOf } from "../../config/config.ts";
import { isKumiteError, isSystemError, messageOf } from "../../util/errors.ts";
import { kvmVerdict } from "../../vm/judge-kvm.ts";
import type { VerbContext } from "../context.ts";
import { type Finding, missing, note, ok } from "./finding.ts";

/** Requires QEMU and the kernel. */
export async function checkKvm({ os, log, interruption }: VerbContext, config: Config): Promise<Finding> {
  const { accelerator } = hypervisorConfigOf(config);
  if (accelerator === "tcg") return ok("KVM", 'is not used: accelerator is "tcg", so VMs are emulated');
  const verdict = await tried(() => kvmVerdict(os, { config, anew: true, log, signal: interruption.signal }));
  if (typeof verdict === "string") {
    return missing("KVM", `could not be tried: ${verdict}`, "fix the other problems first, then check again");
  }
  const { works, reason } = verdict;
  if (works) return ok("KVM", "a kernel boots under it");
  if (accelerator === "kvm") {
    const remedy = 'enable KVM, or set accelerator = "auto" in [hypervisor.qemu] to use emulation';
    return missing("KVM", `is configured but does not work: ${reason}`, remedy);
  }
  return note(
    "KVM",
    `does not work (${reason}); VMs are emulated by QEMU instead: slower, and not a security boundary`,
    "enable virtualisation in the firmware, or nested virtualisation if this host is itself a VM",
  );
}

/** The answer, or the reason why there is none: if QEMU could not be started, that says nothing about KVM. */
async function tried<T>(ask: () => Promise<T>): Promise<T | string> {
  try {
    return await ask();
  } catch (error) {
    if (!isKumiteError(error) && !isSystemError(error)) throw error;
    return error.cause instanceof Error ? `${error.message}: ${messageOf(error.cause)}` : error.message;
  }
}
