/** Waits for the end of a process. Any number of callers may wait. */
import { raceAbort } from "../util/abort.ts";
import type { Exit, ProcessKey } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";

/** Resolves after the last output has reached the relay and the record is written. */
export function waitProcess(sandbox: Sandbox, key: ProcessKey, signal: AbortSignal): Promise<Exit> {
  return raceAbort(sandbox.processes.get(key).exited, signal);
}
