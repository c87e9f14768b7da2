/** `Self` over Node: this process. */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import type { Self, SignalEvent } from "../os.ts";
import { descriptorStream } from "./descriptor-stream.ts";
import { startTicksOf } from "./process-table.ts";
import { toSystemError } from "./system-error.ts";

export function nodeSelf(): Self {
  return {
    pid: process.pid,
    // Node replaces argv[0] by its own path.
    argv: [process.argv0, ...process.argv.slice(1)],
    env: definedOnly(process.env),
    executable: process.execPath,
    startTicks: startTicksOf("self"),
    cwd: () => process.cwd(),
    onSignals,
    stream: descriptorStream,
    closeDescriptor,
    exit: (status) => process.exit(status),
  };
}

/** Node does not report who sent a signal, so `fromKernel` is always false and `senderPid` 0. */
function onSignals(signals: readonly number[], handler: (event: SignalEvent) => void): void {
  for (const signal of signals) {
    process.on(nameOf(signal), () => handler({ signal, fromKernel: false, senderPid: 0 }));
  }
}

function nameOf(signal: number): NodeJS.Signals {
  const found = Object.entries(constants.signals).find(([, number]) => number === signal);
  if (found === undefined) throw new RangeError(`no signal has the number ${signal}`);
  return found[0] as NodeJS.Signals;
}

function closeDescriptor(fd: number): void {
  try {
    closeSync(fd);
  } catch (error) {
    throw toSystemError(error, "close", `descriptor ${fd}`);
  }
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
