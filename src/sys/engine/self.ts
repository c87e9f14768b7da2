/** `Self` of the engine: this process. */
import { getcwd, readlink } from "../linux/directory.ts";
import { close } from "../linux/file.ts";
import { processStat } from "../linux/proc.ts";
import { exit, getpid, processArguments, processEnvironment } from "../linux/process.ts";
import { SI_KERNEL } from "../linux/signal.ts";
import type { Self } from "../os.ts";
import { handleSignals } from "./signals.ts";
import { sharedStream } from "./stream.ts";

export function engineSelf(): Self {
  return {
    pid: getpid(),
    argv: processArguments(),
    env: parseEnvironment(processEnvironment()),
    // Both need /proc, which short-lived programs can do without.
    get executable() {
      return readlink("/proc/self/exe");
    },
    get startTicks() {
      return processStat("self")?.startTicks ?? 0;
    },
    cwd: getcwd,
    onSignals: (signals, handler) =>
      handleSignals(signals, ({ signal, code, pid }) =>
        handler({ signal, fromKernel: code === SI_KERNEL, senderPid: pid }),
      ),
    stream: sharedStream,
    closeDescriptor: close,
    exit,
  };
}

/** If a name occurs twice, the first entry counts, as in getenv(3). */
function parseEnvironment(entries: readonly string[]): Readonly<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const entry of entries) {
    const equals = entry.indexOf("=");
    const name = entry.slice(0, equals);
    if (equals > 0 && !Object.hasOwn(env, name)) env[name] = entry.slice(equals + 1);
  }
  return env;
}
