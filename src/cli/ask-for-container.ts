/** What every create does with a shim, whether that was started for it or serves others already: a relay, and the request. */
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
import { isBelow, normalizePath, resolvePath } from "../util/path.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { VerbContext } from "./context.ts";
import { type EngineRelay, startRelay, watchRelay } from "./start-relay.ts";

/** The shim has limits of its own for each phase of a boot; this one is for a shim that lost track of them. */
const createTimeoutMs = 300_000;

/** For the answer to a create whose relay has ended. */
const answerTimeoutMs = 5_000;

/** @param socket of the shim */
export async function startContainerRelay(
  { os, root: stateRoot }: VerbContext,
  { id, bundle, stdio, foreground }: ContainerRequest,
  {
    socket,
    cgroups,
    isAdded = false,
  }: Pick<PreparedContainer, "cgroups"> & {
    readonly socket: string;
    /** To a machine that runs. */
    readonly isAdded?: boolean;
  },
): Promise<ChildProcess> {
  // What is on a disk is mounted in the guest alone; who looks for it here finds the volumes in an empty directory.
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

/** Of the annotation for the root file system: those with a layer above the bundle's directory. */
const guestWays: ReadonlySet<string> = new Set(["image", "layers"]);

/** Engines also copy files by way of its mount namespace. What lies on a file system of the guest has no place there. */
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
  // What would be written there by this way would not be seen in the guest.
  const staysInGuest = guestWays.has(spec.annotations?.[rootfsAnnotation] ?? "");
  const readOnly = spec.root.readonly === true || staysInGuest;
  return { root, readOnly, binds, ...(owner !== undefined && { owner }) };
}

/** Of the user namespace. A mapping that is wrong is told by whoever makes the container. */
function rootOf({ linux: { namespaces = [], uidMappings = [], gidMappings = [] } }: BundleSpec): RootView["owner"] {
  if (!namespaces.some(({ type }) => type === "user")) return undefined;
  const [uid, gid] = [uidMappings, gidMappings].map((all) => all.find(({ containerID }) => containerID === 0)?.hostID);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** Engines look for the container's network at its pid, so the relay is where the specification wants it. */
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
  /** What was asked for and is not done. */
  readonly notices: readonly string[];
  readonly engineRelay: EngineRelay;
}

/** Resolves when the container is created. Fails at once when its relay ends: its pid is what engines wait for. */
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
  const options = { timeoutMs: createTimeoutMs + hooksTimeoutMs(bundle), signal: interruption.signal };
  const engineRelay = watchRelay(os, relay, id);
  const answer = shim.oci.createContainer(request, options);
  const { notices } = await Promise.race([answer, endAfterAnswer(engineRelay, answer)]);
  return { notices, engineRelay };
}

/** Of a create that fails the relay ends too, perhaps before the answer is here that says why. */
async function endAfterAnswer(relay: EngineRelay, answer: Promise<unknown>): Promise<never> {
  try {
    return await relay.ended;
  } catch (error) {
    await Promise.race([answer, delay(answerTimeoutMs)]);
    throw error;
  }
}

/** What the hooks that run before the container exists may take. */
function hooksTimeoutMs({ spec: { hooks = {} } }: Bundle): number {
  const both = [...(hooks.prestart ?? []), ...(hooks.createRuntime ?? [])];
  return both.reduce((sum, hook) => sum + hookTimeoutS(hook) * 1000, 0);
}
