/**
 * `kumite-launch`: prepares this process as a request says, and becomes another program. See request.ts. It prints
 * nothing, since its standard descriptors already belong to the program.
 */
import * as native from "kumite:native";
import { messageOf, SystemError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { onUncaught } from "../engine/loop.ts";
import { check } from "../linux/check.ts";
import { dupAbove, setCloseOnExec } from "../linux/file.ts";
import { execve, exit, getppid, processArguments, processEnvironment } from "../linux/process.ts";
import { resetSignals } from "../linux/signal.ts";
import { readToEnd, writeKernelFile } from "../linux/whole-file.ts";
import { withCompanions } from "./companions.ts";
import { parseLaunchRequest } from "./parse-request.ts";
import { type LaunchFailure, type LaunchRequest, launchFailedStatus } from "./request.ts";
import { firstFreeNumber, planSetUp, type SetUpStep } from "./set-up.ts";

/** A program with a large environment needs a few hundred KiB at most. */
const maxRequestBytes = 8 << 20;

/** Descriptor on which to report failures, once the request has named it. */
let status: number | undefined;

function requestText(argument: string | undefined): string {
  const fd = /^fd:(\d{1,6})$/.exec(argument ?? "")?.[1];
  if (fd === undefined) return argument ?? "";
  setCloseOnExec(Number(fd), true);
  return new TextDecoder().decode(readToEnd(Number(fd), maxRequestBytes, "launch request"));
}

/**
 * Writing "0" moves the process that writes. Returns the error, which can be reported only once the request is known.
 */
function joinCgroups(directories: readonly string[]): unknown {
  try {
    for (const directory of directories) writeKernelFile(`${directory}/cgroup.procs`, "0");
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Moves the status descriptor above all numbers of the program, so that none of these overwrites it. */
function claimStatus(request: LaunchRequest): void {
  status = request.status;
  status = dupAbove(request.status, firstFreeNumber(request.descriptors));
}

function run({ native: [name, ...args], call, subject }: SetUpStep): void {
  if (name === "requireParent") {
    if (getppid() !== args[0]) throw new SystemError("ESRCH", call, subject);
    return;
  }
  const functions = native as unknown as Readonly<Record<string, (...values: unknown[]) => number>>;
  check(functions[name]?.(...args) ?? -1, call, subject);
}

function launch(): never {
  const [, argument, ...cgroups] = processArguments();
  const failed = joinCgroups(cgroups);
  const asked = parseLaunchRequest(requestText(argument));
  status = asked.status;
  if (failed !== undefined) throw failed;
  const request = withCompanions(asked, cgroups);
  claimStatus(request);
  const setUp = planSetUp(request);
  try {
    for (const step of setUp.steps) run(step);
    const env = request.env === undefined ? processEnvironment() : environment(request.env);
    resetSignals();
    return execve(request.path, request.argv, env);
  } catch (error) {
    setUp.undo();
    throw error;
  }
}

function environment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

function fail(error: unknown): never {
  const failure: LaunchFailure =
    error instanceof SystemError
      ? { errno: error.errno, call: error.call, ...(error.subject === undefined ? {} : { subject: error.subject }) }
      : { errno: "EINVAL", call: "launch", subject: messageOf(error) };
  if (status !== undefined) {
    const line = encodeUtf8(`${JSON.stringify(failure)}\n`);
    native.write(status, line, 0, line.length);
  }
  return exit(launchFailedStatus);
}

onUncaught(fail);
launch();
