/**
 * Creates a sandbox with its first container: claims the id, starts shim and relay, asks the shim for the container.
 */
import { mountNamespace } from "../factory/cache/protocol.ts";
import { takeFromCache } from "../factory/cache/take.ts";
import type { Ahead } from "../sandbox/ahead.ts";
import { handToShim, type PreparedSandbox, prepareSandbox } from "../sandbox/prepare.ts";
import { recoverContainer } from "../sandbox/recover.ts";
import { connectShim } from "../shim-client/connect.ts";
import { readInstall } from "../shim-client/install.ts";
import { type ShimCommand, shimCommand, shimProgram } from "../shim-client/shim-command.ts";
import type { ExitStatus, Os, ProcessId } from "../sys/os.ts";
import { delay, throwIfAborted } from "../util/abort.ts";
import { isKumiteError } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import { askForContainer, startContainerRelay } from "./ask-for-container.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { VerbContext } from "./context.ts";
import type { CreatedContainer, CreationPlace } from "./create-container.ts";
import { type MachineAhead, machineAhead } from "./machine-ahead.ts";
import { relayReady } from "./start-relay.ts";
import { type Shim, shimDied, shimReady, startShim } from "./start-shim.ts";

/** How long the shim may take to undo what it made, before the verb kills it and works off its journal. */
const shimEndTimeoutMs = 10_000;

/** @throws KumiteError `container/exists`, `install/incomplete`, `shim/start-failed`, `aborted`, or the shim's */
export async function createSandbox(
  context: VerbContext,
  request: ContainerRequest,
  { windowSize, scope, timeline }: CreationPlace,
): Promise<CreatedContainer> {
  const { os, root, interruption } = context;
  const { id, bundle } = request;
  using ahead = await machineAhead(context, request);
  const command = await commandOf(context, request);
  throwIfAborted(interruption.signal);
  const prepared = await prepareSandbox(os, root, id, bundle, context.tellFailure);
  timeline.mark("claimed");
  scope.add(`container ${id}`, () => recoverContainer(os, root, id, context.log));

  const { socket, log } = prepared.paths;
  const place = { id, log, cgroups: prepared.cgroups.vm };
  const { shim, booted } = await getShim(context, request, { prepared, command, ahead });
  booted.catch(ignore);
  const relay = await startContainerRelay(context, request, { socket, cgroups: prepared.cgroups });
  scope.add(`relay of ${id}`, () => relay.kill(signalNumbers.SIGKILL));
  await handToShim(prepared, { shim, relay });
  timeline.mark("spawned");
  const connection = await connectShim(os, socket, id, interruption.signal).catch(async (error: unknown) => {
    // If the shim died before it served, its own error is the better one.
    await booted;
    throw error;
  });
  await Promise.all([booted, relayReady(relay, id, interruption.signal)]);
  timeline.mark("ready");
  context.log.debug("shim and relay are up", { sandbox: id, shim: shim.pid, relay: relay.pid });
  scope.add(`shim of ${id}`, async (signal) => {
    // The relay has asked for the exit status, which never comes; the shim would wait for it to take that answer.
    relay.kill(signalNumbers.SIGKILL);
    connection.close();
    await Promise.race([shim.exited, delay(shimEndTimeoutMs, signal)]);
  });
  try {
    const asked = await askForContainer(context, { request, windowSize, shim: connection, relay });
    timeline.mark("created");
    context.log.debug("the container is created", { container: id });
    return { relay, shim: connection, ...asked };
  } catch (error) {
    throw isKumiteError(error, "shim/unreachable") ? await shimDied(os, shim, place) : error;
  }
}

interface GotShim {
  readonly shim: Shim;
  /** Resolves when the shim serves requests. */
  readonly booted: Promise<void>;
}

interface ShimParts {
  readonly prepared: PreparedSandbox;
  readonly command: (made: Ahead | undefined) => ShimCommand;
  readonly ahead: MachineAhead;
}

/** A shim of the VM cache, whose VM is already running, or a new one. */
async function getShim(
  context: VerbContext,
  request: ContainerRequest,
  { prepared, command, ahead }: ShimParts,
): Promise<GotShim> {
  const { os, root, config, overrides, debug, logFormat, interruption } = context;
  const { id, bundle } = request;
  const { socket, log } = prepared.paths;
  const cgroups = prepared.cgroups.vm;
  const adoption = {
    root,
    id,
    bundle: bundle.path,
    debug,
    logFormat,
    cgroups,
    mountNamespace: await mountNamespace(os),
  };
  const taken = await takeFromCache(os, { config, overrides, adoption }, interruption.signal);
  if (taken.kind === "taken") return { shim: foreignShim(os, taken.shim), booted: Promise.resolve() };
  if (taken.kind === "none") context.log.warn(`the VM cache gave no VM: ${taken.why}`, { sandbox: id });
  const making = ahead.make(prepared);
  const start = making.then((made) => ({ command: command(made), companions: made?.programs }));
  const shim = await startShim(os, { socket, log, cgroups }, start).catch(async (error: unknown) => {
    // The caller undoes what was made, so nobody may still be making anything.
    await making.catch(ignore);
    throw error;
  });
  return { shim, booted: shimReady(os, shim, { id, log, cgroups }, interruption.signal) };
}

/** This shim is the child of another process, so its exit status is unknown. */
function foreignShim(os: Os, shim: ProcessId): Shim {
  const exited = os.processes.waitGone(shim).then((): ExitStatus => ({ kind: "exited", status: 0 }));
  // Only a failed create asks for it.
  exited.catch(ignore);
  return { ...shim, exited };
}

/** Reads the installation first, so that an incomplete one is reported before anything is made. */
async function commandOf(
  { os, root, config, overrides, debug, logFormat }: VerbContext,
  { id, bundle }: ContainerRequest,
): Promise<ShimParts["command"]> {
  const program = await shimProgram(os, await readInstall(os));
  const options = { root, id, bundle: bundle.path, config, overrides, debug, logFormat };
  return (made) => shimCommand(program, { ...options, ahead: made !== undefined });
}

// For a promise that is awaited later, together with others.
function ignore(): void {}
