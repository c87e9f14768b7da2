/** Starts the relay of a process as a child of the verb, so that an engine that is a subreaper can wait for it. */
import { awaitReady } from "../shim-client/boot-message.ts";
import { formatRelayArguments, type RelayOptions, type RelayStdio } from "../shim-client/relay-arguments.ts";
import type { ChildProcess, Descriptor, ExitStatus, Os, SpawnRequest } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError } from "../util/errors.ts";
import type { Scope } from "../util/scope.ts";
import { signalName, signalNumbers } from "../util/signals.ts";

const statusDescriptor = 3;
/** For a process of the small engine to start and connect, on a machine that is busy with virtual machines. */
const readyTimeoutMs = 30_000;

export interface RelayRequest extends RelayOptions {
  /** The verb stays until the process ends: the relay shares its terminal and does not outlive it. */
  readonly foreground: boolean;
  readonly cgroups: readonly string[];
  readonly networkNamespace: SpawnRequest["networkNamespace"];
}

/** Resolves when the relay runs; it is not ready yet. */
export function startRelay(os: Os, request: RelayRequest): Promise<ChildProcess> {
  const { foreground, cgroups, networkNamespace, stdio } = request;
  return os.processes.spawn({
    path: os.self.executable,
    argv: formatRelayArguments(request),
    env: {},
    cwd: "/",
    descriptors: { ...hostDescriptors(stdio), [statusDescriptor]: { kind: "stream" } },
    cgroups,
    noNewPrivileges: true,
    ...(networkNamespace !== undefined && { networkNamespace }),
    ...(foreground ? { parentDeathSignal: signalNumbers.SIGKILL } : { newSession: true }),
  });
}

/** Resolves when it has connected to the shim and given its terminal away; fails with its own reason if it cannot. */
export async function relayReady(relay: ChildProcess, id: string, signal: AbortSignal): Promise<void> {
  const status = relay.streams.get(statusDescriptor);
  if (status === undefined) throw new KumiteError("internal", "the relay was started without a status channel");
  const what = `the start of the relay of ${id}`;
  const ready = await withDeadline(readyTimeoutMs, what, (s) => awaitReady(status, s), signal);
  status.close();
  if (ready === "ready") return;
  throw new KumiteError("system/failed", `the relay of ${id} exited before it was ready`, { phase: "relay.start" });
}

/** The relay of a process whose pid an engine will be told. */
export interface EngineRelay {
  /** Rejects when it has ended; never resolves. */
  readonly ended: Promise<never>;
  /**
   * Call it before the process may end by itself. From here its end is for the engine, which inherits it from this verb:
   * nothing is reaped any more, unless the scope is undone.
   * @throws KumiteError `system/failed` when it has ended before
   */
  readonly leave: (scope: Scope) => void;
}

export function watchRelay(os: Os, relay: ChildProcess, id: string): EngineRelay {
  let failure: KumiteError | undefined;
  const ended = relay.exited.then((status) => {
    failure = relayKilled(id, status);
    throw failure;
  });
  // Nobody may be waiting when it ends.
  ended.catch(() => {});
  return {
    ended,
    leave: (scope) => {
      const kept = os.processes.keepEnded();
      scope.add("the statuses of what has ended", () => kept[Symbol.dispose]());
      if (failure !== undefined) throw failure;
    },
  };
}

/** It has ended though nobody asked it to. */
export function relayKilled(of: string, status: ExitStatus): KumiteError {
  return new KumiteError("system/failed", `the relay of ${of} ${describeEnd(status)}`, {
    phase: "relay",
    hint: "something on the host killed it, perhaps for lack of memory: see the host's log (dmesg)",
  });
}

function describeEnd(status: ExitStatus): string {
  return status.kind === "exited" ? `ended with status ${status.status}` : `was killed by ${signalName(status.signal)}`;
}

function hostDescriptors(stdio: RelayStdio): Record<number, Descriptor> {
  switch (stdio.kind) {
    case "streams":
      return { 0: inherit(0), 1: inherit(1), 2: inherit(2) };
    case "terminal":
      return { 0: inherit(0), 1: inherit(1) };
    case "console-socket":
      return {};
  }
}

function inherit(fd: number): Descriptor {
  return { kind: "inherit", fd };
}
