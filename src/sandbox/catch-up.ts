/** What happened to a process on the host while the guest was busy making or starting it. */
import { messageOf } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import { signalInGuest } from "./kill.ts";
import type { ConsoleSize, SandboxProcess } from "./process.ts";
import { resizeInGuest } from "./resize.ts";
import type { Sandbox } from "./sandbox.ts";
import { fieldsOf } from "./watch.ts";

/** `size` is what the terminal was given when that began. Never rejects: the process is there, whatever it missed. */
export async function catchUp(sandbox: Sandbox, process: SandboxProcess, size: ConsoleSize | undefined): Promise<void> {
  try {
    if (process.relayLost) await signalInGuest(sandbox, process, signalNumbers.SIGKILL);
    else if (process.consoleSize !== size) await resizeInGuest(sandbox, process);
  } catch (error) {
    // It may have ended meanwhile, and the sandbox with it.
    sandbox.host.log.debug(`${process.title}: ${messageOf(error)}`, fieldsOf(process));
  }
}
