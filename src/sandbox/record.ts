/** Writes the record: what callers may know of a container if the shim cannot be asked. */
import { type ContainerRecord, type RecordedStatus, writeRecord } from "../persist/record.ts";
import { coalesced } from "../util/coalesced.ts";
import type { Container } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";

/** Resolves when the record on disk has the container's current state, or a later one. */
export async function recordContainer(sandbox: Sandbox, container: Container): Promise<void> {
  if (container.released) return;
  container.saveRecord ??= coalesced(() => write(sandbox, container));
  await container.saveRecord();
}

async function write(sandbox: Sandbox, container: Container): Promise<void> {
  const { paths, timeline, bundle, createdMs, process } = container;
  const record: ContainerRecord = {
    id: container.id,
    bundle: bundle.path,
    rootfs: bundle.rootfs,
    annotations: bundle.spec.annotations ?? {},
    createdMs,
    status: recordedStatus(container),
    resources: container.resources,
    relay: { pid: process.relay.pid, startTicks: process.relay.startTicks },
    timeline: timeline.marks,
    ...(sandbox.failure === undefined ? {} : { failure: sandbox.failure }),
    ...(sandbox.host.ofProgram ? { ofProgram: true } : {}),
  };
  await writeRecord(sandbox.host.os, paths.state, record);
}

function recordedStatus({ process }: Container): RecordedStatus {
  const { state } = process;
  switch (state.phase) {
    case "creating":
      return { phase: "creating" };
    case "created":
    case "starting":
      return { phase: "created" };
    case "running":
    case "paused":
      return { phase: state.phase, startedMs: state.startedMs };
    case "stopped":
      return { phase: "stopped", exitStatus: state.exitStatus, exitedMs: state.exitedMs };
  }
}
