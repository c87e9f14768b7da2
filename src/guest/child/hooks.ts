/**
 * Runs hooks one after the other, in a process that may not wait for events: the first process of a container, before
 * its program. A hook gets the container's state on standard input; its output is kept for error messages.
 */
import { closeQuietly, lseek, MFD_CLOEXEC, memfd_create, read, SEEK_SET, writeAll } from "../../sys/linux/file.ts";
import { getpid, type ProgramFilter, startProgram } from "../../sys/linux/process.ts";
import { awaitSignal, blockSignals, killIfExists, resetSignals, SIGCHLD, SIGKILL } from "../../sys/linux/signal.ts";
import { CLOCK_MONOTONIC, clockMs } from "../../sys/linux/time.ts";
import { P_PID, WEXITED, WNOHANG, waitid } from "../../sys/linux/wait.ts";
import type { ExitStatus } from "../../sys/os.ts";
import { KumiteError, messageOf } from "../../util/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import type { HookPlan, HooksPlan } from "../spec/plan.ts";

/** How much of the output an error message quotes. */
const maxOutputBytes = 1024;

/**
 * @param filter seccomp filter for the hooks
 * @throws KumiteError `hook/failed` for the first hook that fails; those after it are not run
 */
export function runHooks(
  list: readonly HookPlan[],
  status: "creating" | "created",
  state: HooksPlan["state"],
  filter?: ProgramFilter,
): void {
  if (list.length === 0) return;
  const input = encodeUtf8(JSON.stringify({ ...state, status, pid: getpid() }));
  // Blocked so that `awaitSignal` can wait for the end of a hook with a time limit.
  blockSignals([SIGCHLD]);
  try {
    for (const hook of list) runHook(hook, input, filter);
  } finally {
    resetSignals();
  }
}

function runHook(hook: HookPlan, input: Uint8Array, filter: ProgramFilter | undefined): void {
  const stdin = memfd_create("state", MFD_CLOEXEC);
  const output = memfd_create("output", MFD_CLOEXEC);
  try {
    writeAll(stdin, input);
    lseek(stdin, 0, SEEK_SET);
    const status = awaitEnd(startHook(hook, stdin, output, filter), hook);
    if (status.kind === "exited" && status.status === 0) return;
    const ended =
      status.kind === "exited" ? `exited with status ${status.status}` : `was killed by signal ${status.signal}`;
    const said = textOf(output);
    throw failed(hook, `${ended}${said === "" ? "" : `: ${said}`}`);
  } finally {
    closeQuietly(stdin);
    closeQuietly(output);
  }
}

function startHook(hook: HookPlan, stdin: number, output: number, filter: ProgramFilter | undefined): number {
  try {
    return startProgram([stdin, output, output], hook.path, hook.args, hook.env, filter);
  } catch (error) {
    throw failed(hook, `could not be started: ${messageOf(error)}`);
  }
}

function awaitEnd(pid: number, hook: HookPlan): ExitStatus {
  const { timeoutMs } = hook;
  const deadline = timeoutMs === undefined ? undefined : clockMs(CLOCK_MONOTONIC) + timeoutMs;
  for (;;) {
    const ended = waitid(P_PID, pid, deadline === undefined ? WEXITED : WEXITED | WNOHANG);
    if (ended !== undefined) return ended.status;
    const left = (deadline ?? 0) - clockMs(CLOCK_MONOTONIC);
    if (left > 0) awaitSignal([SIGCHLD], left);
    else {
      // The hook leads its session, so this also kills the processes it started.
      killIfExists(-pid, SIGKILL);
      waitid(P_PID, pid, WEXITED);
      throw failed(hook, `did not end within ${(timeoutMs ?? 0) / 1000} s and was killed`);
    }
  }
}

function textOf(output: number): string {
  const buffer = new Uint8Array(maxOutputBytes);
  lseek(output, 0, SEEK_SET);
  return decodeUtf8(buffer.subarray(0, read(output, buffer))).trim();
}

function failed({ key, path }: HookPlan, what: string): KumiteError {
  return new KumiteError("hook/failed", `${key} (${path}) ${what}`);
}
