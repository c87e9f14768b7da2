/**
 * containerd's Task service, as far as the verbs and the relays need it. One implementation serves both versions,
 * because their messages are the same.
 */
import { TaskDefinition } from "../protocol/gen/containerd/task/shim.ts";
import { Status } from "../protocol/gen/containerd/types/task.ts";
import { type TtrpcImplementation, type TtrpcService, ttrpcService } from "../protocol/ttrpc/service-table.ts";
import { closeInput } from "../sandbox/close-input.ts";
import { deleteProcess } from "../sandbox/delete.ts";
import { killProcess } from "../sandbox/kill.ts";
import { pauseContainer, resumeContainer } from "../sandbox/pause.ts";
import type { ProcessState } from "../sandbox/process.ts";
import { resizeTerminal } from "../sandbox/resize.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { startProcess } from "../sandbox/start.ts";
import { containerStats } from "../sandbox/stats.ts";
import { stopSandbox } from "../sandbox/stop.ts";
import { updateContainer } from "../sandbox/update.ts";
import { waitProcess } from "../sandbox/wait.ts";
import { processKey, resourcesOf, timestamp } from "./messages.ts";
import { metricsOf } from "./metrics.ts";

const serviceNames = ["containerd.task.v2.Task", "containerd.task.v3.Task"];

export function taskServices(sandbox: Sandbox, version: string): TtrpcService[] {
  const implementation = taskImplementation(sandbox, version);
  return serviceNames.map((name) => ttrpcService(TaskDefinition, implementation, name));
}

function taskImplementation(sandbox: Sandbox, version: string): TtrpcImplementation<typeof TaskDefinition> {
  return {
    state: (request) => {
      const key = processKey(request);
      const container = sandbox.container(key.containerId);
      const process = sandbox.processes.get(key);
      return {
        id: request.id,
        execId: request.execId,
        bundle: container.bundle.path,
        pid: process.relay.pid,
        status: statusOf(process.state),
        terminal: process.terminal,
        ...exitFields(process.state),
      };
    },
    start: async (request, { signal }) => {
      const key = processKey(request);
      // Read first: a process that ends at once may already be removed when its start is answered.
      const { pid } = sandbox.processes.get(key).relay;
      await startProcess(sandbox, key, signal);
      return { pid };
    },
    delete: async (request) => {
      const key = processKey(request);
      const { pid } = sandbox.processes.get(key).relay;
      const { exitStatus, exitedMs } = await deleteProcess(sandbox, key);
      return { pid, exitStatus, exitedAt: timestamp(exitedMs) };
    },
    pause: async ({ id }) => {
      await pauseContainer(sandbox, id);
      return {};
    },
    resume: async ({ id }) => {
      await resumeContainer(sandbox, id);
      return {};
    },
    update: async ({ id, resources }) => {
      await updateContainer(sandbox, id, resourcesOf(resources));
      return {};
    },
    stats: async ({ id }) => ({ stats: metricsOf(await containerStats(sandbox, id)) }),
    // The pids of the host processes that stand for the container's, since the host can look these up.
    pids: ({ id }) => ({ processes: sandbox.processes.of(id).map(({ relay }) => ({ pid: relay.pid })) }),
    kill: async (request) => {
      await killProcess(sandbox, { key: processKey(request), signal: request.signal, all: request.all });
      return {};
    },
    resizePty: async (request) => {
      await resizeTerminal(sandbox, processKey(request), { rows: request.height, columns: request.width });
      return {};
    },
    closeIO: async (request) => {
      if (request.stdin) await closeInput(sandbox, processKey(request));
      return {};
    },
    wait: async (request, { signal }) => {
      const { exitStatus, exitedMs } = await waitProcess(sandbox, processKey(request), signal);
      return { exitStatus, exitedAt: timestamp(exitedMs) };
    },
    connect: ({ id }) => ({
      shimPid: sandbox.host.os.self.pid,
      taskPid: sandbox.container(id).process.relay.pid,
      version,
    }),
    shutdown: async ({ now }) => {
      // Without `now`, a sandbox that still has containers continues.
      if (now || sandbox.containers.size === 0) await stopSandbox(sandbox);
      return {};
    },
  };
}

function statusOf({ phase }: ProcessState): Status {
  switch (phase) {
    case "creating":
      return Status.UNKNOWN;
    case "created":
    case "starting":
      return Status.CREATED;
    case "running":
      return Status.RUNNING;
    case "paused":
      return Status.PAUSED;
    case "stopped":
      return Status.STOPPED;
  }
}

function exitFields(state: ProcessState) {
  if (state.phase !== "stopped") return {};
  return { exitStatus: state.exitStatus, exitedAt: timestamp(state.exitedMs) };
}
