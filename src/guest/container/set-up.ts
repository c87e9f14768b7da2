/** The agent's side while a new process sets itself up: it receives messages and turns failures into errors. */

import { failure } from "../../sys/linux/check.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { writeKernelFile } from "../../sys/linux/whole-file.ts";
import { KumiteError, messageOf } from "../../util/errors.ts";
import { mapText } from "../spec/ids-outside.ts";
import type { UserNamespacePlan } from "../spec/plan.ts";
import type { NewProcess } from "./birth.ts";
import { type BornProcess, exitCode } from "./born-process.ts";
import type { ControlSocket } from "./control-socket.ts";

/**
 * A process that is set up by steps could not do one of them. It leaves behind only what another process would make as
 * well.
 */
export class UnusualSetUp extends KumiteError {
  constructor(step: number, errno: number) {
    super("agent/failed", `step ${step} of the set-up cannot be done: ${failure(-errno, "step").message}`);
  }
}

/** What a new process waits for during its set-up. */
export interface SetUpHelp {
  /** The container's own user namespace. */
  readonly user?: UserNamespacePlan | undefined;
  /** Called when the process has made its mounts and not yet entered its root file system. */
  readonly onMounted?: ((process: BornProcess, signal: AbortSignal) => Promise<void>) | undefined;
}

/**
 * Waits until the process is ready for its start. Returns the master of the terminal if the process opened one; the
 * caller closes it.
 * @throws KumiteError the error that the process reported; `agent/failed` when it died without a report; `aborted`
 * @throws UnusualSetUp for a process that is set up by steps
 */
export async function awaitReady(
  born: NewProcess,
  signal: AbortSignal,
  { user, onMounted = nothing }: SetUpHelp = {},
): Promise<number | undefined> {
  const { process, control } = born;
  const { end, terminal } = await listen(control, signal, {
    unmapped: async () => writeMaps(process, user),
    mounted: () => onMounted(process, signal),
  });
  if (end === "ready") return terminal;
  if (terminal !== undefined) closeQuietly(terminal);
  throw await deathOf(born.process);
}

/**
 * Waits until the process has executed its program; it was let go before, or never waits. Otherwise like `awaitReady`,
 * except that a process killed before exec looks the same: its exit status tells.
 */
export async function awaitExecuted(
  { control }: Pick<NewProcess, "control">,
  signal: AbortSignal,
): Promise<number | undefined> {
  return (await listen(control, signal)).terminal;
}

interface Heard {
  readonly end: "ready" | "socket closed";
  readonly terminal: number | undefined;
}

type Steps = Readonly<Record<"unmapped" | "mounted", () => Promise<void>>>;

async function nothing(): Promise<void> {}

async function listen(
  control: ControlSocket,
  signal: AbortSignal,
  steps: Steps = { unmapped: nothing, mounted: nothing },
): Promise<Heard> {
  let terminal: number | undefined;
  try {
    for (;;) {
      const received = await control.next(signal);
      if (received === undefined) return { end: "socket closed", terminal };
      const [descriptor, ...surplus] = received.descriptors;
      for (const fd of terminal === undefined ? surplus : received.descriptors) closeQuietly(fd);
      terminal ??= descriptor;
      const { message } = received;
      if (message.kind === "unmapped" || message.kind === "mounted") {
        await steps[message.kind]();
        control.release();
      }
      if (message.kind === "ready") return { end: "ready", terminal };
      if (message.kind === "failed") throw new KumiteError(message.code, message.message);
      if (message.kind === "unusual") throw new UnusualSetUp(message.step, message.errno);
      if (message.kind === "refused") throw refusal(message.call, message.errno, message.path);
    }
  } catch (error) {
    if (terminal !== undefined) closeQuietly(terminal);
    throw error;
  }
}

/** Uses the messages of child/program.ts and child/seccomp.ts. */
function refusal(call: string, errno: number, path: string): KumiteError {
  if (call === "seccomp") {
    return new KumiteError("agent/failed", `setting the seccomp filter: ${failure(-errno, call).message}`);
  }
  return new KumiteError("process/executable-not-found", failure(-errno, call, path).message);
}

/** Only a process outside the namespace may write maps of more than one id. */
function writeMaps({ pid }: BornProcess, user: UserNamespacePlan | undefined): void {
  if (user === undefined)
    throw new KumiteError("agent/failed", "a process asked for id mappings that it should not have");
  try {
    writeKernelFile(`/proc/${pid}/uid_map`, mapText(user.uids));
    writeKernelFile(`/proc/${pid}/gid_map`, mapText(user.gids));
  } catch (error) {
    throw new KumiteError("oci/spec-invalid", `linux.uidMappings, linux.gidMappings: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function deathOf(process: BornProcess): Promise<KumiteError> {
  const code = exitCode(await process.exited);
  return new KumiteError("agent/failed", `the process ended with status ${code} while it was being set up`, {
    hint: "raise the container's memory or pids limit, which may be too low for its set-up",
  });
}
