/** Starts the companions of the program that this process is about to become, and reports them to it. */
import * as native from "kumite:native";
import { signalNumbers } from "../../util/signals.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { type Born, bear } from "../engine/bear.ts";
import { check } from "../linux/check.ts";
import { unlinkQuietly } from "../linux/directory.ts";
import { closeQuietly, lseek, writeAll } from "../linux/file.ts";
import { makeMemoryFile } from "../linux/memory-file.ts";
import { processStat } from "../linux/proc.ts";
import { PR_SET_THP_DISABLE } from "../linux/process.ts";
import { kill } from "../linux/signal.ts";
import { P_PID, WEXITED, waitid } from "../linux/wait.ts";
import type { CompanionReport, SpawnRequest } from "../os.ts";
import type { LaunchDescriptor, LaunchRequest } from "./request.ts";

/**
 * Returns the request extended by the descriptors that the companions add. Never throws: without companions the report
 * is empty. `joined` are cgroups that this process is in already, so that its children are in them from the start.
 */
export function withCompanions({ companions, ...request }: LaunchRequest, joined: readonly string[]): LaunchRequest {
  if (companions === undefined) return request;
  const descriptors: Record<number, LaunchDescriptor> = { ...request.descriptors };
  const reports: CompanionReport[] = [];
  let next = companions.at + 1;
  for (const { companion, born } of bearAll(companions.requests, joined)) {
    const streams: Record<number, number> = {};
    for (const [number, end] of born.ends) {
      streams[number] = next;
      descriptors[next++] = { kind: "inherit", fd: end };
    }
    reports.push({ pid: born.pid, startTicks: processStat(born.pid)?.startTicks ?? 0, streams, request: companion });
  }
  // A companion's setting of transparent huge pages also affects this process while the companion still shares its
  // memory, and would stay, so it is reset.
  check(native.prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), "prctl");
  descriptors[companions.at] = { kind: "inherit", fd: fileOf(JSON.stringify(reports)) };
  return { ...request, descriptors };
}

interface Companion {
  readonly companion: SpawnRequest;
  readonly born: Born;
}

/**
 * Starts all of them or none. When one fails, the others may have been affected already: a daemon may have lost its
 * only client. The program then starts them itself, and meets the error.
 */
function bearAll(requests: readonly SpawnRequest[], joined: readonly string[]): readonly Companion[] {
  const companions: Companion[] = [];
  try {
    for (const companion of requests) companions.push({ companion, born: bear(withoutCgroups(companion, joined)) });
    return companions;
  } catch {
    for (const companion of companions.reverse()) end(companion);
    return [];
  }
}

/** Joining a cgroup again would have no effect, but could make the companion wait for the kernel once more. */
function withoutCgroups({ cgroups = [], ...companion }: SpawnRequest, joined: readonly string[]): SpawnRequest {
  const others = cgroups.filter((directory) => !joined.includes(directory));
  return others.length === 0 ? companion : { ...companion, cgroups };
}

/** Ends a companion and removes the sockets it had bound. */
function end({ companion, born }: Companion): void {
  kill(born.pid, signalNumbers.SIGKILL);
  waitid(P_PID, born.pid, WEXITED);
  for (const fd of born.ends.values()) closeQuietly(fd);
  for (const descriptor of Object.values(companion.descriptors))
    if (descriptor.kind === "listen") unlinkQuietly(descriptor.path);
}

/** A memory-backed file with this content, positioned at its beginning. */
function fileOf(text: string): number {
  const fd = makeMemoryFile("companions", 0);
  writeAll(fd, encodeUtf8(text));
  lseek(fd, 0, 0);
  return fd;
}
