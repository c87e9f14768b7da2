/** `Processes.spawn` of the engine, at the cost of vfork(2): the child makes prepared system calls only. */
import { getpid } from "kumite:native";
import { encodeUtf8 } from "../../util/text.ts";
import { launched } from "../launch/outcome.ts";
import { type LaunchRequest, launcherName } from "../launch/request.ts";
import { processStat } from "../linux/proc.ts";
import { killIfExists, SIGKILL } from "../linux/signal.ts";
import type { Birth, BornProgram, ByteStream, ChildProcess, SpawnRequest } from "../os.ts";
import { bear } from "./bear.ts";
import { startReaper, whenExited } from "./reaper.ts";
import { ownStream } from "./stream.ts";

/** Implements `Processes.spawn`. */
export async function spawn(request: SpawnRequest): Promise<ChildProcess> {
  if (request.companions !== undefined) {
    const { descriptors: _d, cgroups: _c, networkNamespace: _n, newSession: _s, ...program } = request;
    return spawnLater(request, Promise.resolve(program));
  }
  startReaper();
  const { pid, ends } = bear(request);
  return childProcess(pid, ends);
}

/** Implements `Processes.spawnLater`: the launcher is started at once, and waits to be told what to become. */
export async function spawnLater(
  { descriptors, cgroups = [], networkNamespace, newSession }: Birth,
  program: Promise<BornProgram>,
): Promise<ChildProcess> {
  startReaper();
  // Starting the launcher may fail before this is awaited.
  program.catch(() => {});
  const numbers = Object.keys(descriptors).map(Number);
  const status = Math.max(2, ...numbers) + 1;
  const request = status + 1;
  const { pid, ends } = bear({
    path: "/proc/self/exe",
    // The launcher joins the cgroups itself: this process would have to wait for that, since it is suspended until the
    // exec.
    argv: [launcherName, `fd:${request}`, ...cgroups],
    env: {},
    descriptors: { ...descriptors, [status]: { kind: "stream" }, [request]: { kind: "stream" } },
    ...(networkNamespace !== undefined && { networkNamespace }),
    ...(newSession !== undefined && { newSession }),
  });
  const child = childProcess(pid, new Map([...ends].filter(([number]) => number < status)));
  const outcome = ownStream(ends.get(status) ?? -1);
  const telling = ownStream(ends.get(request) ?? -1);
  try {
    const inherited = Object.fromEntries(numbers.map((fd) => [fd, { kind: "inherit", fd } as const]));
    const launch: LaunchRequest = { ...(await program), descriptors: inherited, status, parentPid: getpid() };
    // A launcher that has ended has reported why.
    await telling.write(encodeUtf8(JSON.stringify(launch))).catch(() => {});
    telling.close();
    await launched(outcome);
    return child;
  } catch (error) {
    child.kill(SIGKILL);
    await child.exited;
    for (const stream of [outcome, telling, ...child.streams.values()]) stream.close();
    throw error;
  }
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
