/** Applies what happened to a process on the host while the guest was busy creating or starting it. */
import { messageOf } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import { signalInGuest } from "./kill.ts";
import type { ConsoleSize, SandboxProcess } from "./process.ts";
import { resizeInGuest } from "./resize.ts";
import type { Sandbox } from "./sandbox.ts";
import { fieldsOf } from "./watch.ts";

/**
 * `size` is the terminal's size that the create or start was given. Never rejects: the process exists, whatever it has
 * missed.
 */
export async function catchUp(sandbox: Sandbox, process: SandboxProcess, size: ConsoleSize | undefined): Promise<void> {
  try {
    if (process.relayLost) await signalInGuest(sandbox, process, signalNumbers.SIGKILL);
    else if (process.consoleSize !== size) await resizeInGuest(sandbox, process);
  } catch (error) {
    // The process may have ended meanwhile, and the sandbox with it.
    sandbox.host.log.debug(`${process.title}: ${messageOf(error)}`, fieldsOf(process));
  }
}
