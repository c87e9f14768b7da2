/** `Processes.spawn` of the engine, at the price of vfork(2): the child runs prepared system calls only. */
import * as native from "kumite:native";
import type { LaunchDescriptor } from "../launch/request.ts";
import { planSetUp, type SetUp } from "../launch/set-up.ts";
import { failure } from "../linux/check.ts";
import { closeQuietly } from "../linux/file.ts";
import { processStat } from "../linux/proc.ts";
import { killIfExists } from "../linux/signal.ts";
import { SOCK_CLOEXEC, SOCK_STREAM, socketpair } from "../linux/socket.ts";
import type { ByteStream, ChildProcess, SpawnRequest } from "../os.ts";
import { startReaper, whenExited } from "./reaper.ts";
import { ownStream } from "./stream.ts";

/** As `Processes.spawn`. */
export async function spawn(request: SpawnRequest): Promise<ChildProcess> {
  const pairs = new Map<number, readonly [ours: number, theirs: number]>();
  let pid: number;
  try {
    for (const [number, descriptor] of Object.entries(request.descriptors))
      if (descriptor.kind === "stream") pairs.set(Number(number), socketpair(SOCK_STREAM | SOCK_CLOEXEC));
    startReaper();
    pid = bear(request, pairs);
  } catch (error) {
    for (const [ours] of pairs.values()) closeQuietly(ours);
    throw error;
  } finally {
    for (const [, theirs] of pairs.values()) closeQuietly(theirs);
  }
  return childProcess(pid, pairs);
}

/** No event is handled between the birth and `whenExited`, so the child cannot be reaped unseen. */
function childProcess(pid: number, pairs: ReadonlyMap<number, readonly [number, number]>): ChildProcess {
  let running = true;
  const exited = whenExited(pid).then((status) => {
    running = false;
    return status;
  });
  const streams = new Map<number, ByteStream>();
  for (const [number, [ours]] of pairs) streams.set(number, ownStream(ours));
  return {
    pid,
    // A zombie at least, until the next event.
    startTicks: processStat(pid)?.startTicks ?? 0,
    streams,
    exited,
    kill: (signal) => {
      // Once reaped, the number may be somebody else's.
      if (running) killIfExists(pid, signal);
    },
    killGroup: (signal) => {
      if (running) killIfExists(-pid, signal);
    },
  };
}

function bear(request: SpawnRequest, pairs: ReadonlyMap<number, readonly [number, number]>): number {
  const descriptors: Record<number, LaunchDescriptor> = {};
  for (const [number, descriptor] of Object.entries(request.descriptors))
    descriptors[Number(number)] =
      descriptor.kind === "stream" ? { kind: "inherit", fd: pairs.get(Number(number))?.[1] ?? -1 } : descriptor;
  const setUp = planSetUp({ ...request, descriptors, parentPid: native.getpid() });
  const env = Object.entries(request.env).map(([name, value]) => `${name}=${value}`);
  const steps = setUp.steps.map((step) => step.native);
  const [result, failedStep] = native.spawn(0, steps, request.path, request.argv, env);
  if (result < 0) {
    setUp.undo();
    throw failedAt(setUp, failedStep, result, request.path);
  }
  setUp.close();
  return result;
}

function failedAt(setUp: SetUp, failedStep: number, errno: number, path: string): Error {
  const step = setUp.steps[failedStep];
  if (step !== undefined) return failure(errno, step.call, step.subject);
  return failure(errno, failedStep < 0 ? "clone" : "exec", path);
}
