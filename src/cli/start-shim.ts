/** Starts the shim of a new sandbox and waits until it serves or fails. */
import { awaitReady } from "../shim-client/boot-message.ts";
import type { ShimCommand } from "../shim-client/shim-command.ts";
import type { Birth, ChildProcess, ExitStatus, Os, ProcessId, SpawnRequest } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { memoryKillIn } from "../util/memory-kills.ts";
import { signalName, signalNumbers } from "../util/signals.ts";
import { stripControls } from "../util/text.ts";

/** Contract with the shim's `main.ts`. */
const socketDescriptor = 3;
const bootDescriptor = 4;
const companionsDescriptor = 5;
/** Node normally starts in a tenth of a second, but takes many times as long on a busy host that emulates VMs. */
const readyTimeoutMs = 60_000;
const logTailLines = 10;

export interface ShimPlace {
  readonly socket: string;
  readonly log: string;
  readonly cgroups: readonly string[];
}

/** The facts that an error about a shim is built from. */
export interface ShimFacts extends Pick<ShimPlace, "log" | "cgroups"> {
  readonly id: string;
}

/** The part of the shim's start that depends on the plan of its machine. */
export interface ShimStart {
  readonly command: ShimCommand;
  readonly companions: readonly SpawnRequest[] | undefined;
}

/**
 * Starts the shim's process at once; it gets ready while `start` is still being worked out. Resolves when Node runs,
 * and the companions too if all of them could be started. From then on the socket accepts connections, which wait until
 * the shim serves them.
 */
export function startShim(
  os: Os,
  { socket, log, cgroups }: ShimPlace,
  start: Promise<ShimStart>,
): Promise<ChildProcess> {
  const birth: Birth = {
    newSession: true,
    cgroups,
    descriptors: {
      2: { kind: "append", path: log, mode: 0o600 },
      [socketDescriptor]: { kind: "listen", path: socket, mode: 0o600 },
      [bootDescriptor]: { kind: "stream" },
    },
  };
  const program = start.then(({ command, companions }) => ({
    ...command,
    ...(companions !== undefined && { companions: { at: companionsDescriptor, requests: companions } }),
  }));
  return os.processes.spawnLater(birth, program);
}

/**
 * Fails with the shim's own error if the shim cannot serve, and with the end of its log if it died. Leaves the channel
 * open: when it closes, the shim knows that this process has died.
 */
export async function shimReady(
  os: Os,
  shim: ChildProcess,
  { id, log, cgroups }: ShimFacts,
  signal: AbortSignal,
): Promise<void> {
  const boot = shim.streams.get(bootDescriptor);
  if (boot === undefined) throw new KumiteError("internal", "the shim was started without a boot channel");
  const ready = await withDeadline(
    readyTimeoutMs,
    `the start of the shim of ${id}`,
    (s) => awaitReady(boot, s),
    signal,
  );
  if (ready === undefined) throw await shimDied(os, shim, { id, log, cgroups });
}

/** The part of the shim process that a verb uses. */
export type Shim = ProcessId & Pick<ChildProcess, "exited">;

/** The error for a shim that has died: how it ended, and the end of its log. Waits for its end. */
export async function shimDied(os: Os, shim: Shim, { id, log, cgroups }: ShimFacts): Promise<KumiteError> {
  const exit = await withDeadline(10_000, `waiting for the shim of ${id} to end`, () => shim.exited).catch(
    () => undefined,
  );
  const killed = exit?.kind === "signalled" && exit.signal === signalNumbers.SIGKILL;
  const forMemory = killed ? await memoryKillIn((path) => os.files.readText(path), cgroups) : undefined;
  const tail = forMemory ?? (await logTail(os, log));
  return new KumiteError(
    "shim/start-failed",
    `the shim of ${id} ${exit === undefined ? "does not answer" : endOf(exit)}`,
    {
      phase: "shim.start",
      ...(forMemory !== undefined && { hint: "raise the memory limit of this cgroup or of one above it" }),
      data: { id },
      ...(tail !== "" && { cause: new Error(tail) }),
    },
  );
}

function endOf(exit: ExitStatus): string {
  switch (exit.kind) {
    case "exited":
      return `ended with status ${exit.status}`;
    case "signalled":
      return `was killed by ${signalName(exit.signal)}`;
  }
}

async function logTail(os: Os, log: string): Promise<string> {
  try {
    const lines = stripControls(await os.files.readText(log))
      .trimEnd()
      .split("\n");
    return lines.slice(-logTailLines).join("\n");
  } catch (error) {
    if (isSystemError(error)) return "";
    throw error;
  }
}
