/** Registers a further process of a container; `start.ts` starts it. */
import { checkExecId } from "../oci/container-id.ts";
import { validateProcess } from "../oci/validate.ts";
import type { ProcessId } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { type Container, requireState, statusOf, wrongState } from "./container.ts";
import { type ConsoleSize, SandboxProcess } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";

/** How long to wait for the caller's relay. A registration without a relay would stay for ever. */
const relayTimeoutMs = 60_000;

export interface ExecRequest {
  readonly containerId: string;
  readonly execId: string;
  /** The parsed `process` object of a specification. */
  readonly document: unknown;
  readonly terminal: boolean;
  readonly consoleSize?: ConsoleSize | undefined;
  readonly relay: ProcessId;
  /** Path below the container's own cgroup. */
  readonly cgroup?: string | undefined;
}

/** @throws KumiteError `container/not-found`, `container/wrong-state`, `oci/spec-invalid`, `process/exists` */
export function execProcess(sandbox: Sandbox, request: ExecRequest): SandboxProcess {
  const { containerId, execId, terminal, consoleSize, relay, cgroup } = request;
  checkExecId(execId);
  requireExecutable(sandbox, sandbox.container(containerId));
  const spec = validateProcess(request.document, `process ${execId}`);
  const process = new SandboxProcess({ key: { containerId, execId }, terminal, consoleSize, relay, spec, cgroup });
  sandbox.processes.add(process);
  process.moveTo({ phase: "created" });
  withDeadline(relayTimeoutMs, "the relay", () => process.attached).catch(() => forgetExec(sandbox, process));
  return process;
}

/** A further process needs a container that has neither ended nor been paused. */
export function requireExecutable(sandbox: Sandbox, container: Container): void {
  const status = statusOf(container);
  if (status === "paused" || status === "stopped") throw wrongState(container, `cannot exec in a ${status} container`);
  requireState(sandbox, container, "exec");
}

/** Forgets a process that has ended or was never started. A running process is left alone. */
export function forgetExec(sandbox: Sandbox, process: SandboxProcess): void {
  const { phase } = process.state;
  if (phase === "starting" || phase === "running") return;
  process.stdio.close();
  sandbox.processes.remove(process);
  if (phase === "stopped") return;
  process.stop({ exitStatus: 255, exitedMs: sandbox.host.os.clock.now() });
  process.announce();
}
