/** What a VM needs of its sandbox while it starts, whether it boots or is a clone. */
import type { StartContext } from "../hypervisor/driver.ts";
import type { Journal } from "../persist/journal.ts";
import { RingFile } from "../persist/ring-file.ts";
import { messageOf } from "../util/errors.ts";
import type { Sandbox } from "./sandbox.ts";

/** Limit on disk; about three thousand lines of text. */
const maxConsoleBytes = 256 * 1024;

/** From here on the sandbox has the console's file. */
export function startContextOf(sandbox: Sandbox, journal: Journal, signal: AbortSignal): StartContext {
  const { os, timeline, log } = sandbox.host;
  const console = consoleFile(sandbox);
  sandbox.console = console;
  return {
    willMake: (step) => journal.record(step),
    made: (key, process) => journal.made(key, process),
    signal,
    phase: (name) => timeline.mark(name),
    onConsoleLine: (line) => console.add(`${new Date(os.clock.now()).toISOString()} ${line}`),
    log: (level, message, fields) => log[level](message, { phase: "vm", ...fields }),
  };
}

/** A ring, since a guest can print for ever and only its last output may explain its end. */
export function consoleFile({ host: { os, paths, log } }: Sandbox): RingFile {
  const onFailure = (error: unknown): void =>
    log.warn(`the console cannot be kept: ${messageOf(error)}`, { phase: "vm" });
  return new RingFile(os, paths.console, { maxBytes: maxConsoleBytes, onFailure });
}
