/** `Processes.spawn` of the engine, at the cost of vfork(2): the child makes prepared system calls only. */
import { getpid } from "kumite:native";
import { launched } from "../launch/outcome.ts";
import { type LaunchRequest, launcherName } from "../launch/request.ts";
import { processStat } from "../linux/proc.ts";
import { killIfExists, SIGKILL } from "../linux/signal.ts";
import type { ByteStream, ChildProcess, SpawnRequest } from "../os.ts";
import { bear } from "./bear.ts";
import { startReaper, whenExited } from "./reaper.ts";
import { ownStream } from "./stream.ts";

/** Implements `Processes.spawn`. */
export async function spawn(request: SpawnRequest): Promise<ChildProcess> {
  startReaper();
  if (request.companions !== undefined) return spawnWithCompanions(request);
  const { pid, ends } = bear(request);
  return childProcess(pid, ends);
}

/** Uses the launcher, which starts the companions before it becomes the program. */
async function spawnWithCompanions(request: SpawnRequest): Promise<ChildProcess> {
  const { cgroups, networkNamespace, newSession, descriptors, ...program } = request;
  const numbers = Object.keys(descriptors).map(Number);
  const status = Math.max(2, ...numbers) + 1;
  const inherited = Object.fromEntries(numbers.map((fd) => [fd, { kind: "inherit", fd } as const]));
  const launch: LaunchRequest = { ...program, descriptors: inherited, status, parentPid: getpid() };
  const text = JSON.stringify(launch);
  const { pid, ends } = bear({
    path: "/proc/self/exe",
    argv: [launcherName, text.length < maxArgumentLength ? text : withoutCompanions(launch)],
    env: {},
    descriptors: { ...descriptors, [status]: { kind: "stream" } },
    ...(cgroups !== undefined && { cgroups }),
    ...(networkNamespace !== undefined && { networkNamespace }),
    ...(newSession !== undefined && { newSession }),
  });
  const child = childProcess(pid, new Map([...ends].filter(([number]) => number !== status)));
  try {
    await launched(ownStream(ends.get(status) ?? -1));
    return child;
  } catch (error) {
    child.kill(SIGKILL);
    await child.exited;
    for (const stream of child.streams.values()) stream.close();
    throw error;
  }
}

/** The limit of one argument of execve(2), with a margin for text that is not ASCII. */
const maxArgumentLength = 32 * 1024;

/** Leaves out the companions: the program then starts them itself, as if they had failed. */
function withoutCompanions({ companions, ...launch }: LaunchRequest): string {
  return JSON.stringify({ ...launch, companions: { at: companions?.at, requests: [] } });
}

/** No event is handled between the fork and `whenExited`, so the child cannot have been reaped. */
function childProcess(pid: number, ends: ReadonlyMap<number, number>): ChildProcess {
  let running = true;
  const exited = whenExited(pid).then((status) => {
    running = false;
    return status;
  });
  const streams = new Map<number, ByteStream>();
  for (const [number, end] of ends) streams.set(number, ownStream(end));
  return {
    pid,
    // Until the next event is handled, the child exists at least as a zombie.
    startTicks: processStat(pid)?.startTicks ?? 0,
    streams,
    exited,
    kill: (signal) => {
      // Once the child has been reaped, its pid may belong to another process.
      if (running) killIfExists(pid, signal);
    },
    killGroup: (signal) => {
      if (running) killIfExists(-pid, signal);
    },
  };
}
