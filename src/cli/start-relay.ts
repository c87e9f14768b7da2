/** Starts the relay of a process as a child of the verb, so that an engine that is a subreaper can wait for it. */
import { awaitReady } from "../shim-client/boot-message.ts";
import { formatRelayArguments, type RelayOptions, type RelayStdio } from "../shim-client/relay-arguments.ts";
import type { ChildProcess, Descriptor, ExitStatus, Os, SpawnRequest } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { KumiteError } from "../util/errors.ts";
import type { Scope } from "../util/scope.ts";
import { signalName, signalNumbers } from "../util/signals.ts";

const statusDescriptor = 3;
/** How long the relay may take to start and connect. Generous, since the host may be busy with VMs. */
const readyTimeoutMs = 30_000;

export interface RelayRequest extends RelayOptions {
  /** The verb stays until the process ends: the relay shares the verb's terminal and does not outlive it. */
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

/**
 * Resolves when the relay has connected to the shim and handed over its terminal. Fails with the relay's own error
 * otherwise.
 */
export async function relayReady(relay: ChildProcess, id: string, signal: AbortSignal): Promise<void> {
  const status = relay.streams.get(statusDescriptor);
  if (status === undefined) throw new KumiteError("internal", "the relay was started without a status channel");
  const what = `the start of the relay of ${id}`;
  const ready = await withDeadline(readyTimeoutMs, what, (s) => awaitReady(status, s), signal);
  status.close();
  if (ready === "ready") return;
  throw new KumiteError("system/failed", `the relay of ${id} exited before it was ready`, { phase: "relay.start" });
}

/** A relay whose pid is given to an engine. */
export interface EngineRelay {
  /** Rejects when the relay has ended; never resolves. */
  readonly ended: Promise<never>;
  /**
   * Must be called before the process may end by itself. From then on the relay's exit status is left for the engine,
   * which inherits the relay from this verb: no child is reaped any more, unless the scope is undone.
   * @throws KumiteError `system/failed` if the relay has already ended
   */
  readonly leave: (scope: Scope) => void;
}

export function watchRelay(os: Os, relay: ChildProcess, id: string): EngineRelay {
  let failure: KumiteError | undefined;
  const ended = relay.exited.then((status) => {
    failure = relayKilled(id, status);
    throw failure;
  });
  // Prevents an unhandled rejection while nobody waits.
  ended.catch(() => {});
  return {
    ended,
    leave: (scope) => {
      const kept = os.processes.keepEnded();
      scope.add("exit statuses kept for the engine", () => kept[Symbol.dispose]());
      if (failure !== undefined) throw failure;
    },
  };
}

/** The error for a relay that ended although nothing asked it to. */
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
