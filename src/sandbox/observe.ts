/**
 * The state of a container as seen from outside, without its shim. The record is only a hint; the process table
 * decides. Runs on the small engine, in the client verbs. Changes nothing.
 */
import { type OciState, type OciStatus, ociVersion } from "../oci/state.ts";
import { type JournalContent, nobody, readJournal } from "../persist/journal.ts";
import { containerPaths } from "../persist/paths.ts";
import { type ContainerRecord, readRecord } from "../persist/record.ts";
import type { Os, ProcessId } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";

/** Exit status of a container whose end nobody saw: it was killed with its shim, 128 + SIGKILL. */
export const killedStatus = 137;

export interface ObservedContainer extends OciState {
  /** The container's sandbox. For the first container of a sandbox this is its own id. */
  readonly sandboxId: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly rootfs: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** Uid of the user who created the container. */
  readonly owner: number;
  /** Only if stopped. */
  readonly exitStatus?: number;
  /**
   * The container's end was seen and recorded, and somebody may ask for it. False for a stopped container whose shim
   * died, or which belonged to a program that would have removed it.
   */
  readonly recordedEnd: boolean;
  /** The journal's owner if that process is alive: the sandbox's shim, or a create that is under way. */
  readonly alive?: ProcessId;
}

/** @throws KumiteError `container/not-found` */
export async function observeContainer(os: Os, root: string, id: string): Promise<ObservedContainer> {
  const paths = containerPaths(root, id);
  const directory = await os.files.linkStatus(paths.directory);
  const journal = await readJournal(os, paths.journal);
  const record = await readRecord(os, paths.state);
  if (directory === undefined || journal === undefined || record === undefined) throw notFound(root, id);
  const alive = await livingOwner(os, journal);
  const { status, exitStatus } = judge(record, alive !== undefined);
  return {
    ociVersion,
    id: record.id,
    sandboxId: journal.sandbox ?? journal.id,
    status,
    pid: status === "stopped" ? 0 : (record.relay?.pid ?? 0),
    bundle: record.bundle,
    annotations: record.annotations,
    rootfs: record.rootfs,
    createdMs: record.createdMs,
    owner: directory.uid,
    ...(exitStatus === undefined ? {} : { exitStatus }),
    recordedEnd: record.status.phase === "stopped" && record.ofProgram === undefined,
    ...(alive === undefined ? {} : { alive }),
  };
}

/** The journal's owner, unless that process is gone. */
export async function livingOwner(os: Os, { owner }: JournalContent): Promise<ProcessId | undefined> {
  if (owner.pid === nobody.pid) return undefined;
  const process = await os.processes.info(owner.pid);
  return process !== undefined && process.startTicks === owner.startTicks && process.state !== "Z" ? owner : undefined;
}

export function notFound(root: string, id: string): KumiteError {
  return new KumiteError("container/not-found", `container ${id} does not exist`, {
    hint: `\`kumite --root ${root} list\` lists the containers`,
    data: { id, root },
  });
}

/** No container outlives its sandbox's shim. Without a living shim it is stopped, whatever was recorded. */
function judge(record: ContainerRecord, ownerLives: boolean): { status: OciStatus; exitStatus?: number } {
  if (record.status.phase === "stopped") return { status: "stopped", exitStatus: record.status.exitStatus };
  return ownerLives ? { status: record.status.phase } : { status: "stopped", exitStatus: killedStatus };
}
