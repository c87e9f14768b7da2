/** Kernel settings of a process and its namespaces, made through the guest's own /proc before the process leaves it. */
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

/** The possessor has all permissions; the user, which is the agent's, may view, read, search and link. */
const keyringPermissions = 0x3f1b_0000;

/**
 * Joins the session keyring of the container, since otherwise containers would share the keyring of their user. An exec
 * process finds the keyring by name. A kernel may be built without keyrings.
 *
 * @param name `undefined`: keeps the agent's
 */
export function joinKeyring(name: string | undefined): void {
  if (name === undefined) return;
  try {
    // The process that creates the keyring may do this. One that joins it later sets the same permissions, or gets
    // EACCES.
    setKeyPermissions(joinSessionKeyring(name), keyringPermissions);
  } catch (error) {
    if (!isSystemError(error, "ENOSYS", "EPERM", "EACCES")) throw error;
  }
}

/**
 * The process must be in the namespaces that the parameters belong to.
 *
 * @param pairs names as paths below /proc/sys
 */
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
