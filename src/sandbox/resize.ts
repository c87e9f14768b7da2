/** Sets the size of a process's terminal. The size is remembered if there is no terminal yet. */
import { KumiteError } from "../util/errors.ts";
import type { ConsoleSize, ProcessKey, SandboxProcess } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";

const callTimeoutMs = 10_000;
/** The kernel stores it as unsigned short. */
const maxSide = 0xffff;

/** @throws KumiteError `container/wrong-state` if the process has no terminal, `usage/invalid` */
export async function resizeTerminal(sandbox: Sandbox, key: ProcessKey, size: ConsoleSize): Promise<void> {
  const process = sandbox.processes.get(key);
  if (!process.terminal) throw new KumiteError("container/wrong-state", `${process.title} has no terminal`);
  if (size.rows > maxSide || size.columns > maxSide) {
    throw new KumiteError("usage/invalid", `a terminal cannot have ${size.rows} rows and ${size.columns} columns`);
  }
  process.consoleSize = size;
  if (hasTerminal(process)) await resizeInGuest(sandbox, process);
}

/**
 * Whether the terminal exists in the guest. A container's own process has it from its create on. A size for a process
 * that has ended is ignored.
 */
function hasTerminal({ state, spec }: SandboxProcess): boolean {
  if (state.phase === "running" || state.phase === "paused") return true;
  return state.phase === "created" && spec === undefined;
}

export async function resizeInGuest(sandbox: Sandbox, process: SandboxProcess): Promise<void> {
  const { containerId, execId = containerId } = process.key;
  const { rows, columns } = process.consoleSize ?? { rows: 0, columns: 0 };
  const { agent } = sandbox.running().vm;
  await agent.ttyWinResize({ containerId, execId, row: rows, column: columns }, { timeoutMs: callTimeoutMs });
}
