/** Settings of the kernel for a process and its namespaces, made through the guest's own /proc while it is in sight. */
import { joinSessionKeyring, personality, setKeyPermissions } from "../../sys/linux/process.ts";
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

/** All for who possesses it, and to be viewed, read, linked to and found by name for its user, which is the agent's. */
const keyringPermissions = 0x3f1b_0000;

/**
 * Containers share the keyring of a user otherwise. A further process finds its container's by the name. A kernel may be
 * built without keys.
 *
 * @param name `undefined`: it keeps the agent's
 */
export function joinKeyring(name: string | undefined): void {
  if (name === undefined) return;
  try {
    // The one who makes it may set this; who joins it later sets the same, or is not allowed to.
    setKeyPermissions(joinSessionKeyring(name), keyringPermissions);
  } catch (error) {
    if (!isSystemError(error, "ENOSYS", "EPERM", "EACCES")) throw error;
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
