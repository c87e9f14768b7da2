/** Writes down what callers may know of a sandbox when its shim cannot be asked. */
import { type RecordedStatus, type SandboxRecord, writeRecord } from "../persist/record.ts";
import { coalesced } from "../util/coalesced.ts";
import type { Container } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";

/** Resolves when the state of the container, as it is now or later, is on disk. */
export function recordSandbox(sandbox: Sandbox, container: Container): Promise<void> {
  sandbox.saveRecord ??= coalesced(() => write(sandbox, container));
  return sandbox.saveRecord();
}

async function write({ host, failure }: Sandbox, container: Container): Promise<void> {
  const { bundle, createdMs, process } = container;
  const record: SandboxRecord = {
    id: container.id,
    bundle: bundle.path,
    rootfs: bundle.rootfs,
    annotations: bundle.spec.annotations ?? {},
    createdMs,
    status: recordedStatus(container),
    resources: container.resources,
    relay: { pid: process.relay.pid, startTicks: process.relay.startTicks },
    timeline: host.timeline.marks,
    ...(failure === undefined ? {} : { failure }),
  };
  await writeRecord(host.os, host.paths.state, record);
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
