/**
 * Starts a process at the cost of vfork(2): the child makes prepared system calls only. Independent of the event loop.
 */
import * as native from "kumite:native";
import { encodeLatin1 } from "../../util/text.ts";
import type { LaunchDescriptor } from "../launch/request.ts";
import { planSetUp, type SetUp } from "../launch/set-up.ts";
import { failure } from "../linux/check.ts";
import { closeQuietly, writeAll } from "../linux/file.ts";
import { SOCK_CLOEXEC, SOCK_STREAM, socketpair } from "../linux/socket.ts";
import type { SpawnRequest } from "../os.ts";

export interface Born {
  readonly pid: number;
  /** This process's ends of the child's streams, by their numbers in the child. */
  readonly ends: ReadonlyMap<number, number>;
}

/**
 * Starts what `Processes.spawn` asks for. On failure throws a SystemError that names the step, and leaves nothing
 * behind.
 */
export function bear(request: SpawnRequest): Born {
  const pairs = new Map<number, readonly [ours: number, theirs: number]>();
  try {
    for (const [number, descriptor] of Object.entries(request.descriptors)) {
      if (descriptor.kind !== "stream") continue;
      const pair = socketpair(SOCK_STREAM | SOCK_CLOEXEC);
      pairs.set(Number(number), pair);
      if (descriptor.said !== undefined) writeAll(pair[0], encodeLatin1(descriptor.said));
    }
    const pid = spawnWith(request, pairs);
    return { pid, ends: new Map([...pairs].map(([number, [ours]]) => [number, ours])) };
  } catch (error) {
    for (const [ours] of pairs.values()) closeQuietly(ours);
    throw error;
  } finally {
    for (const [, theirs] of pairs.values()) closeQuietly(theirs);
  }
}

function spawnWith(request: SpawnRequest, pairs: ReadonlyMap<number, readonly [number, number]>): number {
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
