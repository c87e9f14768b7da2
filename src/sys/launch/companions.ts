/** Starts the companions of a program that this process is about to become, and says what there is of them. */
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

/** The request with what the program gets besides. Never throws: the program is told what there is, were it nothing. */
export function withCompanions({ companions, ...request }: LaunchRequest): LaunchRequest {
  if (companions === undefined) return request;
  const descriptors: Record<number, LaunchDescriptor> = { ...request.descriptors };
  const reports: CompanionReport[] = [];
  let next = companions.at + 1;
  for (const { companion, born } of bearAll(companions.requests)) {
    const streams: Record<number, number> = {};
    for (const [number, end] of born.ends) {
      streams[number] = next;
      descriptors[next++] = { kind: "inherit", fd: end };
    }
    reports.push({ pid: born.pid, startTicks: processStat(born.pid)?.startTicks ?? 0, streams, request: companion });
  }
  // That of a companion goes with the memory of this process while it is born, and would stay.
  check(native.prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), "prctl");
  descriptors[companions.at] = { kind: "inherit", fd: fileOf(JSON.stringify(reports)) };
  return { ...request, descriptors };
}

interface Companion {
  readonly companion: SpawnRequest;
  readonly born: Born;
}

/**
 * All of them, or none: one may have met what is left of another that failed, a daemon its only client. Whoever needs them starts
 * them again, and meets what was in the way.
 */
function bearAll(requests: readonly SpawnRequest[]): readonly Companion[] {
  const companions: Companion[] = [];
  try {
    for (const companion of requests) companions.push({ companion, born: bear(companion) });
    return companions;
  } catch {
    for (const companion of companions.reverse()) end(companion);
    return [];
  }
}

/** With what it had bound. */
function end({ companion, born }: Companion): void {
  kill(born.pid, signalNumbers.SIGKILL);
  waitid(P_PID, born.pid, WEXITED);
  for (const fd of born.ends.values()) closeQuietly(fd);
  for (const descriptor of Object.values(companion.descriptors))
    if (descriptor.kind === "listen") unlinkQuietly(descriptor.path);
}

/** At its beginning. */
function fileOf(text: string): number {
  const fd = makeMemoryFile("companions", 0);
  writeAll(fd, encodeUtf8(text));
  lseek(fd, 0, 0);
  return fd;
}
