/** What a sandbox's machine needs of the sandbox while it starts, however it comes to be. */
import type { StartContext } from "../hypervisor/driver.ts";
import type { Journal } from "../persist/journal.ts";
import { RingFile } from "../persist/ring-file.ts";
import { messageOf } from "../util/errors.ts";
import type { Sandbox } from "./sandbox.ts";

/** Of what the guest prints, on disk; in text about three thousand lines. */
const maxConsoleBytes = 256 * 1024;

/** The console's file is the sandbox's from here on. */
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

/** A guest can print for ever, and its last words may be all that is known of its end. */
export function consoleFile({ host: { os, paths, log } }: Sandbox): RingFile {
  const onFailure = (error: unknown): void =>
    log.warn(`the console cannot be kept: ${messageOf(error)}`, { phase: "vm" });
  return new RingFile(os, paths.console, { maxBytes: maxConsoleBytes, onFailure });
}
