/** Settings of the kernel for a process and its namespaces, made through the guest's own /proc while it is in sight. */

import { joinSessionKeyring, personality } from "../../sys/linux/process.ts";
import { writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { step } from "./step.ts";

export function setOomScoreAdjustment(value: number | undefined): void {
  if (value === undefined) return;
  step(`setting oom_score_adj to ${value}`, () => writeKernelFile("/proc/self/oom_score_adj", String(value)));
}

export function setPersonality(persona: number | undefined): void {
  if (persona === undefined) return;
  step("setting linux.personality", () => personality(persona));
}

/** Containers share the keyring of a user otherwise. A kernel may be built without keys. */
export function leaveSessionKeyring(): void {
  try {
    joinSessionKeyring(null);
  } catch (error) {
    if (!isSystemError(error, "ENOSYS", "EPERM")) throw error;
  }
}

/** @param pairs names as paths below /proc/sys. The process must be in the namespaces they belong to. */
export function setSysctls(pairs: readonly (readonly [name: string, value: string])[]): void {
  for (const [name, value] of pairs) {
    step(`setting ${name}`, () => {
      try {
        writeKernelFile(`/proc/sys/${name}`, value);
      } catch (error) {
        if (!isSystemError(error, "ENOENT")) throw error;
        throw new KumiteError("oci/spec-invalid", `linux.sysctl: the kernel has no parameter ${name}`);
      }
    });
  }
}
