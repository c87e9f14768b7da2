/** The steps of every create, whether the shim is new or already running: start a relay, send the request. */
import type { Bundle, BundleSpec } from "../oci/bundle.ts";
import { hookTimeoutS } from "../oci/hook-timeout.ts";
import { isBindMount, isReadOnlyMount } from "../oci/mount.ts";
import { rootfsAnnotation } from "../oci/rootfs-annotation.ts";
import { containerPaths } from "../persist/paths.ts";
import type { PreparedContainer } from "../sandbox/prepare.ts";
import type { ShimConnection } from "../shim-client/connect.ts";
import type { RootView } from "../shim-client/relay-arguments.ts";
import type { ChildProcess, SpawnRequest, WindowSize } from "../sys/os.ts";
import { delay } from "../util/abort.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError } from "../util/errors.ts";
import { isBelow, normalizePath, resolvePath } from "../util/path.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { VerbContext } from "./context.ts";
import { type EngineRelay, startRelay, watchRelay } from "./start-relay.ts";

/**
 * The shim has its own limits for each phase of a start, which grow with the configuration and on a busy host. So a
 * shim that takes longer than this is given up only if it no longer answers; it is asked again after the same time.
 */
const createTimeoutMs = 300_000;

/** How long to wait for the answer to a create after its relay has ended. */
const answerTimeoutMs = 5_000;

/** @param socket the shim's socket */
export async function startContainerRelay(
  { os, root: stateRoot }: VerbContext,
  { id, bundle, stdio, foreground }: ContainerRequest,
  {
    socket,
    cgroups,
    isAdded = false,
  }: Pick<PreparedContainer, "cgroups"> & {
    readonly socket: string;
    /** Whether the container is added to a VM that is already running. */
    readonly isAdded?: boolean;
  },
): Promise<ChildProcess> {
  // A root file system on a disk is mounted only in the guest. The host shows the volumes in an empty directory.
  const { emptyRoot } = containerPaths(stateRoot, id);
  const root = bundle.rootfsKind === "directory" ? bundle.rootfs : emptyRoot;
  if (root === emptyRoot) await os.files.makeDir(root, 0o755);
  return startRelay(os, {
    socket,
    id,
    execId: undefined,
    stdio,
    foreground,
    cgroups: cgroups.relay,
    networkNamespace: networkNamespaceOf(bundle),
    view: { ...rootViewOf(bundle, root), ...(isAdded && { withoutLinks: true }) },
  });
}

/** Values of the root file system annotation that put a writable layer above the bundle's directory. */
const guestWays: ReadonlySet<string> = new Set(["image", "layers"]);

/** The content of the relay's mount namespace, through which engines copy files; without mounts of the guest. */
function rootViewOf({ path, spec }: Bundle, root: string): RootView {
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
  const owner = rootOf(spec);
  // The guest would not see anything written here.
  const staysInGuest = guestWays.has(spec.annotations?.[rootfsAnnotation] ?? "");
  const readOnly = spec.root.readonly === true || staysInGuest;
  return { root, readOnly, binds, ...(owner !== undefined && { owner }) };
}

/** The owner of root in the user namespace. The code that creates the container reports a wrong mapping. */
function rootOf({ linux: { namespaces = [], uidMappings = [], gidMappings = [] } }: BundleSpec): RootView["owner"] {
  if (!namespaces.some(({ type }) => type === "user")) return undefined;
  const [uid, gid] = [uidMappings, gidMappings].map((all) => all.find(({ containerID }) => containerID === 0)?.hostID);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** Engines look for the container's network at the relay's pid, so the relay joins the namespace of the spec. */
function networkNamespaceOf({ spec }: Bundle): SpawnRequest["networkNamespace"] {
  const network = spec.linux.namespaces?.find(({ type }) => type === "network");
  if (network === undefined) return undefined;
  return network.path === undefined || network.path === "" ? "new" : { path: network.path };
}

export interface Asking {
  readonly request: ContainerRequest;
  readonly windowSize: WindowSize | undefined;
  readonly shim: ShimConnection;
  readonly relay: ChildProcess;
}

export interface Asked {
  /** Requested settings that have no effect. */
  readonly notices: readonly string[];
  readonly engineRelay: EngineRelay;
}

/** Resolves when the container is created. Fails at once when the relay ends: engines wait for its pid. */
export async function askForContainer({ os, interruption }: VerbContext, asking: Asking): Promise<Asked> {
  const { shim, relay, windowSize } = asking;
  const { id, bundle, noNewKeyring } = asking.request;
  const request = {
    id,
    bundle: bundle.path,
    configFile: bundle.configFile,
    specJson: JSON.stringify(bundle.spec),
    terminal: bundle.spec.process.terminal ?? false,
    consoleSize: windowSize && { width: windowSize.columns, height: windowSize.rows },
    relay: { pid: relay.pid, startTicks: BigInt(relay.startTicks) },
    noNewKeyring,
  };
  const engineRelay = watchRelay(os, relay, id);
  const answer = withDeadline(
    createTimeoutMs + hooksTimeoutMs(bundle),
    `the create of ${id}`,
    (signal) => shim.oci.createContainer(request, { timeoutMs: 0, signal }),
    interruption.signal,
    async () => ((await answers(shim)) ? createTimeoutMs : 0),
  );
  const { notices } = await Promise.race([answer, endAfterAnswer(engineRelay, answer)]);
  return { notices, engineRelay };
}

/** Whether the shim works off its requests. It refuses this one at once. */
async function answers(shim: ShimConnection): Promise<boolean> {
  try {
    await shim.oci.timeline({ id: "" });
    return true;
  } catch (error) {
    return !isKumiteError(error, "timeout", "shim/unreachable");
  }
}

/** When a create fails, the relay may end before the answer with the reason arrives, so wait briefly for that. */
async function endAfterAnswer(relay: EngineRelay, answer: Promise<unknown>): Promise<never> {
  try {
    return await relay.ended;
  } catch (error) {
    await Promise.race([answer, delay(answerTimeoutMs)]);
    throw error;
  }
}

/** The longest time that the hooks running before the container exists may take. */
function hooksTimeoutMs({ spec: { hooks = {} } }: Bundle): number {
  const both = [...(hooks.prestart ?? []), ...(hooks.createRuntime ?? [])];
  return both.reduce((sum, hook) => sum + hookTimeoutS(hook) * 1000, 0);
}
