/**
 * Runs hooks of a specification on the host, one after the other. Knows nothing of when they run or what a failure
 * means. A hook gets files as standard streams: shells reopen them as /dev/stdin and /dev/stderr, which does not work
 * with sockets, and with files nothing has to be waited for if a descendant keeps them open.
 */
import { hookTimeoutS } from "../oci/hook-timeout.ts";
import type { OciHook, OciHooks } from "../oci/spec.ts";
import type { OciState } from "../oci/state.ts";
import type { ChildProcess, ExitStatus, Os } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError, isSystemError, KumiteError } from "../util/errors.ts";
import { signalName, signalNumbers } from "../util/signals.ts";
import { stripControls } from "../util/text.ts";

export type HookName = Exclude<keyof OciHooks, "createContainer" | "startContainer">;

/** The state that a hook reads; there is no pid once the container has stopped. */
export type HookState = Omit<OciState, "pid"> & { readonly pid?: number };

export interface HookRun {
  readonly name: HookName;
  readonly hooks: readonly OciHook[];
  readonly state: HookState;
  /** Directory for the files of the standard streams. Absolute. */
  readonly directory: string;
  /** Kills the running hook, which then fails. */
  readonly signal?: AbortSignal | undefined;
}

/** How long a killed process may take to end. */
const killTimeoutMs = 10_000;
/** For hooks without `env`: the runtime's own environment is not passed on. */
const defaultEnvironment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
const maxOutputBytes = 1024 * 1024;
const shownLines = 10;

/**
 * Runs the hooks in order, up to the first that fails.
 *
 * @throws KumiteError `hook/failed` naming the hook, with the last lines of its output as the cause; `aborted`
 */
export async function runHooks(os: Os, run: HookRun): Promise<void> {
  for (const [index, hook] of run.hooks.entries()) await runHook(os, run, hook, index);
}

/** Runs all hooks even if some fail. Resolves with their errors. */
export async function runEveryHook(os: Os, run: HookRun): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (const [index, hook] of run.hooks.entries()) {
    await runHook(os, run, hook, index).catch((error: unknown) => failures.push(error));
  }
  return failures;
}

async function runHook(os: Os, run: HookRun, hook: OciHook, index: number): Promise<void> {
  const title = `hooks.${run.name}[${index}] (${hook.path})`;
  const input = `${run.directory}/hook-input`;
  const output = `${run.directory}/hook-output`;
  await os.files.write(input, JSON.stringify(run.state));
  try {
    const child = await start(os, run, hook, title, { input, output });
    const exit = await endOf(child, hook, title, run.signal);
    if (exit.kind === "exited" && exit.status === 0) return;
    throw await failed(os, `${title} ${describeExit(exit)}`, output);
  } catch (error) {
    throw isKumiteError(error, "timeout") ? await failed(os, error.message, output) : error;
  } finally {
    for (const file of [input, output]) await removeFile(os, file);
  }
}

async function start(
  os: Os,
  { state }: HookRun,
  hook: OciHook,
  title: string,
  { input, output }: { readonly input: string; readonly output: string },
): Promise<ChildProcess> {
  const { path, args = [], env } = hook;
  const out = { kind: "append", path: output, mode: 0o600 } as const;
  try {
    return await os.processes.spawn({
      path,
      argv: args.length > 0 ? args : [path],
      env: env === undefined ? defaultEnvironment : environment(env),
      cwd: await directoryOf(os, state.bundle),
      descriptors: { 0: { kind: "read", path: input }, 1: out, 2: out },
      newSession: true,
      parentDeathSignal: signalNumbers.SIGKILL,
    });
  } catch (cause) {
    throw new KumiteError("hook/failed", `${title} cannot be run`, { phase: "hook", data: { path }, cause });
  }
}

/** As execve(2) takes it, but the last of several values for a name counts. */
function environment(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    env.map((entry) => {
      const equals = entry.indexOf("=", 1);
      return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}

/** The bundle, as with other runtimes, unless it is gone. */
async function directoryOf(os: Os, bundle: string): Promise<string> {
  return (await os.files.status(bundle))?.kind === "directory" ? bundle : "/";
}

/** A hook that takes too long is killed with its children, which nobody else would end. */
async function endOf(child: ChildProcess, hook: OciHook, title: string, signal?: AbortSignal): Promise<ExitStatus> {
  const timeoutS = hookTimeoutS(hook);
  try {
    return await withDeadline(timeoutS * 1000, title, () => child.exited, signal);
  } catch (error) {
    child.killGroup(signalNumbers.SIGKILL);
    await withDeadline(killTimeoutMs, `the end of ${title}`, () => child.exited).catch(() => {});
    if (!isKumiteError(error, "timeout")) throw error;
    throw new KumiteError("timeout", `${title} was killed: it ran longer than ${timeoutS} s`);
  }
}

async function failed(os: Os, message: string, output: string): Promise<KumiteError> {
  const lines = await lastLines(os, output);
  return new KumiteError("hook/failed", message, {
    phase: "hook",
    ...(lines !== "" && { cause: new Error(lines) }),
  });
}

function describeExit(exit: ExitStatus): string {
  switch (exit.kind) {
    case "exited":
      return `ended with status ${exit.status}`;
    case "signalled":
      return `was killed by ${signalName(exit.signal)}`;
  }
}

/** The last lines of the hook's output; empty if the output is too large. */
async function lastLines(os: Os, output: string): Promise<string> {
  try {
    const text = stripControls(await os.files.readText(output, maxOutputBytes));
    return text.trim().split("\n").slice(-shownLines).join("\n");
  } catch (error) {
    if (isSystemError(error)) return "";
    throw error;
  }
}

async function removeFile(os: Os, file: string): Promise<void> {
  try {
    await os.files.removeFile(file);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}
