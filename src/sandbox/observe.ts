/**
 * What is true of a container as seen from outside, without its shim: the record is a hint, the process table decides.
 * Runs on the small engine, in the client verbs. Changes nothing.
 */
import { type OciState, type OciStatus, ociVersion } from "../oci/state.ts";
import { type JournalContent, nobody, readJournal } from "../persist/journal.ts";
import { containerPaths } from "../persist/paths.ts";
import { type ContainerRecord, readRecord } from "../persist/record.ts";
import type { Os, ProcessId } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";

/** How a container ended that nobody watched: killed with its shim, 128 + SIGKILL. */
export const killedStatus = 137;

export interface ObservedContainer extends OciState {
  /** The one it is in: its own id for a container that has made its own. */
  readonly sandboxId: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly rootfs: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** Uid of who created it. */
  readonly owner: number;
  /** Only when stopped. */
  readonly exitStatus?: number;
  /**
   * The end was seen and written down for somebody who may ask; else a stopped one is so because nobody is left, or had
   * ended in a program that was to remove it.
   */
  readonly recordedEnd: boolean;
  /** Journal's owner, when that process is alive: the sandbox's shim, or a create that is under way. */
  readonly alive?: ProcessId;
}

/** Fails with `container/not-found`. */
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

/** The owner of the journal, unless that process is gone. */
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

/** No container outlives its sandbox's shim: without one, whatever was recorded, it is stopped. */
function judge(record: ContainerRecord, ownerLives: boolean): { status: OciStatus; exitStatus?: number } {
  if (record.status.phase === "stopped") return { status: "stopped", exitStatus: record.status.exitStatus };
  return ownerLives ? { status: record.status.phase } : { status: "stopped", exitStatus: killedStatus };
}
