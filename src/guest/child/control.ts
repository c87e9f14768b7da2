/** The new process's end of its socket to the agent. Blocking, because there is nothing else to do. */
import { closeQuietly, read, write } from "../../sys/linux/file.ts";
import { exit } from "../../sys/linux/process.ts";
import { isKumiteError, messageOf } from "../../util/errors.ts";
import { encodeChildMessage } from "./message.ts";

/** Exit status of a process whose set-up failed; the agent gets the reason from the socket. */
const failedStatus = 127;

export function reportReady(control: number): void {
  write(control, encodeChildMessage({ kind: "ready" }));
}

export function reportUnmapped(control: number): void {
  write(control, encodeChildMessage({ kind: "unmapped" }));
}

export function reportMounted(control: number): void {
  write(control, encodeChildMessage({ kind: "mounted" }));
}

/** Waits until the agent lets the process go on; exits if the agent has closed the socket. */
export function awaitRelease(control: number): void {
  if (read(control, new Uint8Array(1)) === 0) exit(failedStatus);
}

/** Reports the error to the agent and exits. */
export function reportFailure(control: number, error: unknown): never {
  const code = isKumiteError(error) ? error.code : "agent/failed";
  try {
    write(control, encodeChildMessage({ kind: "failed", code, message: messageOf(error) }));
    closeQuietly(control);
  } finally {
    exit(failedStatus);
  }
}
