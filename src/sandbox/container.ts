/** A container of a sandbox: what it was made from, and its own process. Its state is that of this process. */
import type { PluggedDevice } from "../hypervisor/plug.ts";
import type { Bundle } from "../oci/bundle.ts";
import type { OciResources } from "../oci/spec.ts";
import type { OciStatus } from "../oci/state.ts";
import type { ContainerPaths } from "../persist/paths.ts";
import { KumiteError } from "../util/errors.ts";
import type { HostResources } from "./host-resources.ts";
import { lifeOf, type SandboxProcess } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";
import { type LifeState, type Operation, refusalOf } from "./state.ts";
import type { Timeline } from "./timeline.ts";

/** What a container is made in. */
export interface ContainerPlace {
  readonly paths: ContainerPaths;
  readonly timeline: Timeline;
  /** What was made for it alone; `undefined` for the container that the sandbox was made with, which goes with it. */
  readonly onHost: HostResources | undefined;
}

export interface Container extends ContainerPlace {
  readonly id: string;
  readonly bundle: Bundle;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly process: SandboxProcess;
  /** Its limits, as the last update left them; rules of devices are not among them. */
  resources: OciResources;
  /** Set by `hooks.ts`: hooks that run beside the program. Never rejects. */
  hooks: Promise<void> | undefined;
  /** Set by `record.ts` with its first use. */
  saveRecord: (() => Promise<void>) | undefined;
  /** Set by `leave.ts`: the one stop that everyone waits for. Only of a container that was added. */
  stopping: Promise<void> | undefined;
  /** Disks that the running machine was given for it. */
  readonly plugged: PluggedDevice[];
  /** Journal and record are no longer this process's to write. */
  released: boolean;
}

export function statusOf({ process }: Container): OciStatus {
  const { phase } = process.state;
  switch (phase) {
    case "creating":
    case "created":
    case "running":
    case "paused":
    case "stopped":
      return phase;
    case "starting":
      return "created";
  }
}

/** @throws KumiteError `container/wrong-state` when the states of container and sandbox do not allow it */
export function requireState(sandbox: Sandbox, container: Container, operation: Operation): void {
  const refusal = refusalIn(sandbox, container, operation);
  if (refusal !== undefined) throw wrongState(container, refusal);
}

/** Why the operation is refused now, if it is. */
export function refusalIn(sandbox: Sandbox, container: Container, operation: Operation): string | undefined {
  // The container that the sandbox was made with is what starts and ends it.
  const around = sandbox.isOwn(container) ? "running" : sandboxStateOf(sandbox);
  return refusalOf(operation, around, lifeOf(container.process.state));
}

/** That of a sandbox is the state of the container that it was made with, while its machine runs. */
export function sandboxStateOf(sandbox: Sandbox): LifeState {
  switch (sandbox.state.phase) {
    case "empty":
    case "starting":
      return "none";
    case "stopping":
    case "stopped":
      return "stopped";
    case "running":
      return stateByItsOwn(sandbox);
  }
}

function stateByItsOwn(sandbox: Sandbox): LifeState {
  const own = sandbox.containers.get(sandbox.host.id);
  if (own === undefined) return "none";
  switch (own.process.state.phase) {
    case "creating":
      return "none";
    case "created":
      return "ready";
    // A container that stands still is no reason for others to: the machine runs.
    case "starting":
    case "running":
    case "paused":
      return "running";
    case "stopped":
      return "stopped";
  }
}

export function wrongState(container: Container, message: string, hint?: string): KumiteError {
  return new KumiteError("container/wrong-state", message, {
    data: { id: container.id, status: statusOf(container) },
    ...(hint === undefined ? {} : { hint }),
  });
}
