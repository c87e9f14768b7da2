/** `kumite.oci.v1.Oci`: the calls of verbs and relays beyond containerd's Task service. */
import type { Timestamp } from "../protocol/gen/google/protobuf/timestamp.ts";
import { type CreateContainerRequest, OciDefinition } from "../protocol/gen/kumite/oci/v1/oci.ts";
import { type TtrpcService, ttrpcService } from "../protocol/ttrpc/service-table.ts";
import { abandonContainer } from "../sandbox/abandon.ts";
import { addContainer } from "../sandbox/add.ts";
import { attachRelay } from "../sandbox/attach.ts";
import { createSandbox } from "../sandbox/create.ts";
import { execProcess } from "../sandbox/exec.ts";
import { reportOf } from "../sandbox/explain-sizing.ts";
import { sandboxSizing } from "../sandbox/fit-machine.ts";
import { guestTimeline } from "../sandbox/guest-timeline.ts";
import { ociStateOf } from "../sandbox/inspect.ts";
import { discardContainer } from "../sandbox/leave.ts";
import { awaitOom } from "../sandbox/oom.ts";
import { processIds, processTable } from "../sandbox/processes.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { containerStats } from "../sandbox/stats.ts";
import { stopSandbox } from "../sandbox/stop.ts";
import { consoleSize, documentOf, processKey, relayOf, timestamp } from "./messages.ts";
import { statsJson } from "./stats-json.ts";

export interface OciServiceOptions {
  readonly sandbox: Sandbox;
  /** Kumite's version. */
  readonly version: string;
  /** Absolute path. */
  readonly bundle: string;
  readonly startedMs: number;
  /** Called when a create arrives. */
  readonly onCreate: () => void;
  /** Called when a create was undone because its caller is gone. */
  readonly onOrphaned: () => void;
}

export function ociService(options: OciServiceOptions): TtrpcService {
  const { sandbox } = options;
  const { os, root, id } = sandbox.host;
  return ttrpcService(OciDefinition, {
    info: () => ({
      id,
      bundle: options.bundle,
      root,
      createdAt: timestamp(options.startedMs),
      annotations: new Map(Object.entries(sandbox.containers.get(id)?.bundle.spec.annotations ?? {})),
      shim: { pid: os.self.pid, startTicks: BigInt(os.self.startTicks) },
      version: options.version,
    }),
    createContainer: async (request, context) => {
      options.onCreate();
      try {
        return await create(sandbox, request, context.signal);
      } catch (error) {
        const orphaned = context.connection.signal.aborted;
        if (!sandbox.isOwn(request)) {
          if (orphaned) await abandonContainer(sandbox, request.id);
          throw error;
        }
        if (orphaned) options.onOrphaned();
        // The request was refused before the sandbox was begun, and no other create will follow.
        if (sandbox.state.phase === "empty") void stopSandbox(sandbox);
        throw error;
      }
    },
    discardContainer: async (request) => {
      await discardContainer(sandbox, request.id);
      return {};
    },
    execProcess: (request) => {
      const { id: containerId, execId, terminal } = request;
      const document = documentOf(request.processJson, `process ${execId}`);
      const relay = relayOf(request.relay);
      const size = consoleSize(request.consoleSize);
      const cgroup = request.cgroup === "" ? undefined : request.cgroup;
      execProcess(sandbox, { containerId, execId, document, terminal, consoleSize: size, relay, cgroup });
      return { execId };
    },
    attachRelay: async (request, { connection }) => {
      const relay = relayOf(request.relay);
      const process = await attachRelay(sandbox, processKey(request), relay, connection.signal);
      return { terminal: process.terminal };
    },
    processes: async ({ id: containerId, table, psArgs }) => {
      if (table) return { table: await processTable(sandbox, containerId, psArgs) };
      const hostPids = sandbox.processes.of(containerId).flatMap(({ state: { phase }, relay }) => {
        return phase === "stopped" ? [] : [relay.pid];
      });
      return { pids: await processIds(sandbox, containerId), hostPids };
    },
    sizing: async (request) => {
      sandbox.container(request.id);
      const { vcpus, memoryMiB } = sandbox.running().vm.status();
      return { json: JSON.stringify(reportOf(sandboxSizing(sandbox), { vcpus, memoryMiB })) };
    },
    stats: async (request) => ({ json: statsJson(await containerStats(sandbox, request.id)) }),
    timeline: async ({ id: containerId }) => {
      const { timeline } = sandbox.container(containerId);
      // Only the sandbox's first container has waited for the boot.
      const guest = containerId === id ? await guestTimeline(sandbox) : undefined;
      return { json: JSON.stringify({ nowMs: timeline.now(), marks: timeline.marks, guest }) };
    },
    awaitOom: async (request, { signal }) => {
      const seen = request.seen === undefined ? undefined : Number(request.seen);
      const { count, ended } = await awaitOom(sandbox, request.id, seen, signal);
      return { count: BigInt(count), ended };
    },
    state: async (request) => {
      const container = sandbox.container(request.id);
      const { annotations = {}, ...state } = ociStateOf(container);
      const { state: own } = container.process;
      return {
        ...state,
        annotations: new Map(Object.entries(annotations)),
        createdAt: timestamp(container.createdMs),
        rootfs: container.bundle.rootfs,
        owner: (await os.files.status(container.paths.directory))?.uid ?? 0,
        exitStatus: own.phase === "stopped" ? own.exitStatus : 0,
      };
    },
  });
}

async function create(
  sandbox: Sandbox,
  request: CreateContainerRequest,
  signal: AbortSignal,
): Promise<{ createdAt: Timestamp; notices: readonly string[] }> {
  const { id, bundle } = request;
  const configFile = request.configFile === "" ? `${bundle}/config.json` : request.configFile;
  const document = documentOf(request.specJson, configFile);
  const size = consoleSize(request.consoleSize);
  const relay = relayOf(request.relay);
  const make = sandbox.isOwn(request) ? createSandbox : addContainer;
  const { noNewKeyring } = request;
  const asked = { id, bundle, document, configFile, consoleSize: size, noNewKeyring, relay };
  const created = await make(sandbox, asked, signal);
  return { createdAt: timestamp(created.container.createdMs), notices: created.notices };
}
