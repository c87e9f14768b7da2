/**
 * Makes a container up to the state `created`: claims its id, starts shim and relay, asks the shim for the container.
 * Whatever fails on the way, the caller's scope removes all of it. Knows no verb.
 */
import type { Bundle } from "../oci/bundle.ts";
import { hookTimeoutS } from "../oci/hook-timeout.ts";
import { isBindMount, isReadOnlyMount } from "../oci/mount.ts";
import { handToShim, type PreparedSandbox, prepareSandbox } from "../sandbox/prepare.ts";
import { recoverSandbox } from "../sandbox/recover.ts";
import { connectShim, type ShimConnection } from "../shim-client/connect.ts";
import { readInstall } from "../shim-client/install.ts";
import type { RootView } from "../shim-client/relay-arguments.ts";
import { type ShimCommand, shimCommand } from "../shim-client/shim-command.ts";
import type { ChildProcess, SpawnRequest, WindowSize } from "../sys/os.ts";
import { delay, throwIfAborted } from "../util/abort.ts";
import { isKumiteError } from "../util/errors.ts";
import { isBelow, normalizePath, resolvePath } from "../util/path.ts";
import type { Scope } from "../util/scope.ts";
import { signalNumbers } from "../util/signals.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { VerbContext } from "./context.ts";
import { relayReady, startRelay } from "./start-relay.ts";
import { shimDied, shimReady, startShim } from "./start-shim.ts";

/** The shim has limits of its own for each phase of a boot; this one is for a shim that lost track of them. */
const createTimeoutMs = 300_000;
/** For a shim to undo by itself what it has made, before it is ended and its journal is worked off here. */
const shimEndTimeoutMs = 10_000;

export interface CreatedContainer {
  readonly relay: ChildProcess;
  readonly shim: ShimConnection;
  /** What was asked for and is not done. */
  readonly notices: readonly string[];
}

/**
 * Everything that is made is registered in `scope` for removal; handed over, it stays. `windowSize` is that of the
 * terminal that the process will be on.
 * @throws KumiteError `container/exists`, `install/incomplete`, `shim/start-failed`, `aborted`, and what the shim says
 */
export async function createContainer(
  context: VerbContext,
  request: ContainerRequest,
  { windowSize, scope }: { readonly windowSize: WindowSize | undefined; readonly scope: Scope },
): Promise<CreatedContainer> {
  const { os, root, interruption } = context;
  const { id, bundle } = request;
  const command = await commandOf(context, request);
  throwIfAborted(interruption.signal);
  const prepared = await prepareSandbox(os, root, id, bundle);
  scope.add(`container ${id}`, () => recoverSandbox(os, root, id, context.log));

  const { socket, log } = prepared.paths;
  const shim = await startShim(os, command, { socket, log, cgroups: prepared.cgroups.vm });
  const place = { id, log };
  const booted = shimReady(os, shim, place, interruption.signal);
  booted.catch(ignore);
  const relay = await startContainerRelay(context, request, prepared);
  scope.add(`relay of ${id}`, () => relay.kill(signalNumbers.SIGKILL));
  await handToShim(prepared, { shim, relay });
  const connection = await connectShim(os, socket, id, interruption.signal);
  await Promise.all([booted, relayReady(relay, id, interruption.signal)]);
  context.log.debug("shim and relay are up", { sandbox: id, shim: shim.pid, relay: relay.pid });
  scope.add(`shim of ${id}`, async (signal) => {
    // The relay asks for the container's end, which will not come: the shim would wait for the answer to be taken.
    relay.kill(signalNumbers.SIGKILL);
    connection.close();
    await Promise.race([shim.exited, delay(shimEndTimeoutMs, signal)]);
  });
  try {
    const notices = await askForContainer(context, { request, windowSize, shim: connection, relay });
    context.log.debug("the container is created", { container: id });
    return { relay, shim: connection, notices };
  } catch (error) {
    throw isKumiteError(error, "shim/unreachable") ? await shimDied(os, shim, place) : error;
  }
}

async function commandOf(context: VerbContext, { id, bundle }: ContainerRequest): Promise<ShimCommand> {
  const { os, root, config, debug, logFormat } = context;
  const install = await readInstall(os);
  return shimCommand(os, install, { root, id, bundle: bundle.path, config, debug, logFormat });
}

function startContainerRelay(
  { os }: VerbContext,
  { id, bundle, stdio, foreground }: ContainerRequest,
  { paths, cgroups }: PreparedSandbox,
): Promise<ChildProcess> {
  return startRelay(os, {
    socket: paths.socket,
    id,
    execId: undefined,
    stdio,
    foreground,
    cgroups: cgroups.relay,
    networkNamespace: networkNamespaceOf(bundle),
    view: rootViewOf(bundle),
  });
}

/** Engines also copy files by way of its mount namespace. What lies on a file system of the guest has no place there. */
function rootViewOf({ path, rootfs, spec }: Bundle): RootView {
  const mounts = spec.mounts ?? [];
  const inGuest = mounts.filter((mount) => !isBindMount(mount)).map(({ destination }) => normalizePath(destination));
  const binds = mounts
    .filter((mount) => isBindMount(mount))
    .map((mount) => ({
      source: resolvePath(path, mount.source ?? ""),
      destination: normalizePath(mount.destination),
      readOnly: isReadOnlyMount(mount),
    }))
    .filter(({ destination }) => !inGuest.some((place) => isBelow(place, destination)));
  return { root: rootfs, readOnly: spec.root.readonly === true, binds };
}

/** Engines look for the container's network at its pid, so the relay is where the specification wants it. */
function networkNamespaceOf({ spec }: Bundle): SpawnRequest["networkNamespace"] {
  const network = spec.linux.namespaces?.find(({ type }) => type === "network");
  if (network === undefined) return undefined;
  return network.path === undefined || network.path === "" ? "new" : { path: network.path };
}

interface Asking {
  readonly request: ContainerRequest;
  readonly windowSize: WindowSize | undefined;
  readonly shim: ShimConnection;
  readonly relay: ChildProcess;
}

async function askForContainer({ interruption }: VerbContext, asking: Asking): Promise<string[]> {
  const { shim, relay, windowSize } = asking;
  const { id, bundle } = asking.request;
  const request = {
    id,
    bundle: bundle.path,
    configFile: bundle.configFile,
    specJson: JSON.stringify(bundle.spec),
    terminal: bundle.spec.process.terminal ?? false,
    consoleSize: windowSize && { width: windowSize.columns, height: windowSize.rows },
    relay: { pid: relay.pid, startTicks: BigInt(relay.startTicks) },
  };
  const options = { timeoutMs: createTimeoutMs + hooksTimeoutMs(bundle), signal: interruption.signal };
  return (await shim.oci.createContainer(request, options)).notices;
}

/** What the hooks that run before the container exists may take. */
function hooksTimeoutMs({ spec: { hooks = {} } }: Bundle): number {
  const both = [...(hooks.prestart ?? []), ...(hooks.createRuntime ?? [])];
  return both.reduce((sum, hook) => sum + hookTimeoutS(hook) * 1000, 0);
}

// It is awaited later, together with others.
function ignore(): void {}
