/**
 * A container of a sandbox: what it was made from, and its own process. The container's state is that of this process.
 */
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

/** Where a container is made. */
export interface ContainerPlace {
  readonly paths: ContainerPaths;
  readonly timeline: Timeline;
  /**
   * What was made for this container alone. `undefined` for the sandbox's first container, which ends with the sandbox.
   */
  readonly onHost: HostResources | undefined;
}

export interface Container extends ContainerPlace {
  readonly id: string;
  readonly bundle: Bundle;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly process: SandboxProcess;
  /** The limits as of the last update, without the device rules. */
  resources: OciResources;
  /** Set by `hooks.ts`: resolves when hooks that run next to the program have ended. Never rejects. */
  hooks: Promise<void> | undefined;
  /** Set by `record.ts` at its first use. */
  saveRecord: (() => Promise<void>) | undefined;
  /** Set by `leave.ts`: the one stop that everyone waits for. Only for a container that was added. */
  stopping: Promise<void> | undefined;
  /** Disks that were plugged into the running VM for this container. */
  readonly plugged: PluggedDevice[];
  /** This process no longer writes the container's journal and record. */
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

/** @throws KumiteError `container/wrong-state` if the states of container and sandbox do not allow the operation */
export function requireState(sandbox: Sandbox, container: Container, operation: Operation): void {
  const refusal = refusalIn(sandbox, container, operation);
  if (refusal !== undefined) throw wrongState(container, refusal);
}

/** The reason why the operation is refused now; `undefined` if it is allowed. */
export function refusalIn(sandbox: Sandbox, container: Container, operation: Operation): string | undefined {
  // The first container starts and ends the sandbox, so the sandbox's state adds nothing for that container.
  const around = sandbox.isOwn(container) ? "running" : sandboxStateOf(sandbox);
  return refusalOf(operation, around, lifeOf(container.process.state));
}

/** While the VM runs, a sandbox has the state of its first container. */
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
    // A paused first container does not prevent work on the others, because the VM runs.
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
