/**
 * The command line, from the arguments to the exit status. Every failure ends up here and is reported once: on standard
 * error and in the log that engines read.
 */
import { configFileVariable, defaultConfigPaths } from "../config/find.ts";
import { defaultRoot } from "../persist/paths.ts";
import type { Os } from "../sys/os.ts";
import { resolvePath } from "../util/path.ts";
import { signalNumbers } from "../util/signals.ts";
import { create } from "./commands/create.ts";
import { deleteContainers } from "./commands/delete.ts";
import { exec } from "./commands/exec.ts";
import { kill } from "./commands/kill.ts";
import { run } from "./commands/run.ts";
import { start } from "./commands/start.ts";
import { state } from "./commands/state.ts";
import type { VerbContext } from "./context.ts";
import { failureStatus, shellStatus } from "./exit-status.ts";
import { type Interruption, noInterruption, watchSignals } from "./interruption.ts";
import { type CliLog, openLog } from "./output/cli-log.ts";
import { type Output, ReaderGone, standardOutput } from "./output/output.ts";
import { tellFailure } from "./output/tell-failure.ts";
import { argumentsPhase } from "./output/told-error.ts";
import { type AnyInvocation, type GlobalFlags, parseGlobal, parseRequest, type Request } from "./parse.ts";

export interface CliOptions {
  /** Default: descriptors 1 and 2. */
  readonly output?: Output;
  /** Registers a handler for uncaught exceptions, which would otherwise end the process at once. */
  readonly onFault?: (handler: (error: unknown) => void) => void;
}

/** Never rejects. */
export async function runCli(os: Os, options: CliOptions = {}): Promise<number> {
  const output = options.output ?? standardOutput(os);
  let log: CliLog | undefined;
  let phase = argumentsPhase;
  let request: Request | undefined;
  const tell = (error: unknown) => tellFailure(error, { phase, log, output });
  try {
    const { global, verb, rest } = parseGlobal(os.self.argv.slice(1));
    // Opened before the rest is parsed, so that engines find parse errors in the log.
    log = await openLog(os, global, output.err);
    request = parseRequest(global, verb, rest);
    phase = verb ?? phase;
    return await answer({ os, global, log, output, tell, onFault: options.onFault }, request);
  } catch (error) {
    if (error instanceof ReaderGone) return shellStatus({ kind: "signalled", signal: signalNumbers.SIGPIPE });
    await tell(error);
    return failureStatus(request);
  } finally {
    await log?.flush();
  }
}

interface Setting {
  readonly os: Os;
  readonly global: GlobalFlags;
  readonly log: CliLog;
  readonly output: Output;
  readonly tell: (error: unknown) => Promise<void>;
  readonly onFault: CliOptions["onFault"];
}

async function answer(setting: Setting, request: Request): Promise<number> {
  const { os, output } = setting;
  switch (request.kind) {
    case "help": {
      const { generalHelp, verbHelp } = await import("./output/help-text.ts");
      await output.out(request.verb === undefined ? generalHelp() : verbHelp(request.verb));
      return 0;
    }
    case "version": {
      const { versionText } = await import("./commands/version.ts");
      await output.out(await versionText(os));
      return 0;
    }
    case "config-paths":
      await output.out(defaultConfigPaths.map((path) => `${path}\n`).join(""));
      return 0;
    case "invoke":
      return invoke(contextOf(setting, request.invocation), request.invocation);
  }
}

function contextOf(setting: Setting, { verb }: AnyInvocation): VerbContext {
  const { os, global, log, output, tell } = setting;
  const absolute = (path: string) => resolvePath(os.self.cwd(), path);
  const configFile = global.config ?? global["kata-config"] ?? (os.self.env[configFileVariable] || undefined);
  return {
    os,
    root: absolute(global.root ?? defaultRoot),
    config: configFile && absolute(configFile),
    overrides: global.set,
    debug: global.debug,
    logFormat: global["log-format"] === "json" ? "json" : "text",
    log: log.logger,
    output,
    tellFailure: tell,
    interruption: makesThings(verb) ? interruptible(setting) : noInterruption(),
  };
}

/** A program fault ends the verb like a signal, so that the terminal is restored and everything made is undone. */
function interruptible({ os, onFault }: Setting): Interruption {
  const interruption = watchSignals(os);
  onFault?.((error) => interruption.abort(new Error("an exception was not handled", { cause: error })));
  return interruption;
}

/** If such a verb is interrupted, it has to remove what it has made. */
function makesThings(verb: AnyInvocation["verb"]): boolean {
  return verb === "create" || verb === "run" || verb === "exec" || verb === "debug" || verb === "factory";
}

/**
 * The verbs that engines call for every container are loaded in the heap that the program starts with. The others are
 * loaded when they are called, so that the executable does not contain their code twice as large.
 */
async function invoke(context: VerbContext, invocation: AnyInvocation): Promise<number> {
  switch (invocation.verb) {
    case "create":
      return create(context, invocation);
    case "start":
      return start(context, invocation);
    case "run":
      return run(context, invocation);
    case "exec":
      return exec(context, invocation);
    case "state":
      return state(context, invocation);
    case "list":
      return (await import("./commands/list.ts")).list(context, invocation);
    case "kill":
      return kill(context, invocation);
    case "delete":
      return deleteContainers(context, invocation);
    case "pause":
      return (await import("./commands/pause.ts")).pause(context, invocation);
    case "resume":
      return (await import("./commands/resume.ts")).resume(context, invocation);
    case "update":
      return (await import("./commands/update.ts")).update(context, invocation);
    case "ps":
      return (await import("./commands/ps.ts")).ps(context, invocation);
    case "events":
      return (await import("./commands/events.ts")).events(context, invocation);
    case "debug":
      return (await import("./commands/debug.ts")).debug(context, invocation);
    case "logs":
      return (await import("./commands/logs.ts")).logs(context, invocation);
    case "recover":
      return (await import("./commands/recover.ts")).recover(context, invocation);
    case "spec":
      return (await import("./commands/spec.ts")).spec(context, invocation);
    case "check":
      return (await import("./commands/check.ts")).check(context, invocation);
    case "env":
      return (await import("./commands/env.ts")).env(context, invocation);
    case "completion":
      return (await import("./commands/completion.ts")).completion(context, invocation);
    case "sizing":
      return (await import("./commands/sizing.ts")).sizing(context, invocation);
    case "factory":
      return (await import("./commands/factory.ts")).factory(context, invocation);
    case "features":
      return (await import("./commands/features.ts")).features(context);
    case "config":
      return (await import("./commands/config.ts")).config(context, invocation);
  }
}
