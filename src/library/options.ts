/** The options of the library, and the bundle and configuration derived from them. Creates nothing on the host. */
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { type Bundle, bundleOf, loadBundle } from "../oci/bundle.ts";
import { defaultSpec } from "../oci/default-spec.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { dirName } from "../util/path.ts";

/** Options about the VM and about where the library keeps its state. */
export interface HostOptions {
  /** Path of a configuration file (TOML); default: the one that the command line uses. */
  readonly config?: string;
  /** Settings `TABLE.KEY=VALUE` that override the file. */
  readonly set?: readonly string[];
  /** Number of vCPUs; default: the configuration's. */
  readonly vcpus?: number;
  /** Memory of the VM in `MiB`; default: the configuration's. The host provides it only when it is used. */
  readonly memoryMiB?: number;
  /**
   * Absolute path of the state directory, for `kumite --root DIRECTORY list` and `recover`. Default
   * /run/kumite-library.
   */
  readonly root?: string;
  /** Called with each line of the log. Default: lines go only to `shim.log` in the sandbox's state directory. */
  readonly log?: (line: string) => void;
}

export interface ProcessOptions {
  /** Environment variables in addition to those of the sandbox's main process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute path in the sandbox; default: that of the sandbox's main process. */
  readonly cwd?: string;
  /** Default: that of the sandbox's main process. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface SandboxOptions extends HostOptions, ProcessOptions {
  /** Directory with `config.json` and a root file system. Give exactly one of this and `rootfs`. */
  readonly bundle?: string;
  /** Directory with a root file system, or a disk image with one. It is never written to. */
  readonly rootfs?: string;
  /**
   * Arguments of the main process, with which the sandbox ends. Default: the bundle's; for a `rootfs` a shell that
   * waits.
   */
  readonly args?: readonly [string, ...string[]];
  /** The sandbox's id, also used as host name. Default: a generated one. */
  readonly id?: string;
  /**
   * true: fail if the sandbox cannot be saved and forked; false: it need not be. Default: whatever is possible, see
   * `saving`.
   */
  readonly savable?: boolean;
  readonly signal?: AbortSignal;
}

/** Ends on SIGTERM and uses no CPU time while it waits. */
const waiting = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 86400 & wait; done"] as const;

/** @internal @throws KumiteError `usage/invalid`, `oci/bundle-invalid`, `oci/spec-invalid` */
export async function bundleFor(os: Os, id: string, options: SandboxOptions): Promise<Bundle> {
  const { bundle, rootfs } = options;
  if ((bundle === undefined) === (rootfs === undefined)) {
    throw new KumiteError("usage/invalid", "a sandbox needs either a bundle or a rootfs", {
      hint: "give exactly one of the options `bundle` and `rootfs`",
    });
  }
  if (bundle !== undefined) {
    const loaded = await loadBundle(os, bundle);
    return adapt(loaded, options);
  }
  const path = rootfs as string;
  const document = defaultSpec();
  document.root = { path };
  document.hostname = id.slice(0, 64);
  document.process.args = [...waiting];
  return adapt(await bundleOf(os, dirName(path), document), options);
}

/** A process of the library has pipes as its streams, never a terminal. */
function adapt(bundle: Bundle, options: SandboxOptions): Bundle {
  const { process } = bundle.spec;
  const { args = process.args } = options;
  return {
    ...bundle,
    spec: { ...bundle.spec, process: { ...processWith(process, options), args: [...args], terminal: false } },
  };
}

/** @internal @throws KumiteError `config/invalid` */
export async function configFor(os: Os, installRoot: string, options: HostOptions): Promise<Config> {
  const { config, set = [], vcpus, memoryMiB } = options;
  const overrides = [
    // What a sandbox writes is discarded with it.
    "runtime.rootfs_writes=guest",
    // The caller decides the size.
    "runtime.static_sandbox_resource_mgmt=true",
    ...(vcpus === undefined ? [] : [`hypervisor.qemu.default_vcpus=${vcpus}`]),
    ...(memoryMiB === undefined ? [] : [`hypervisor.qemu.default_memory=${memoryMiB}`]),
    ...set,
  ];
  return await loadConfig(os, { installRoot, path: config, overrides });
}

/** @internal Checks nothing: wrong values are detected where they are used. */
export function processWith<Process extends { env?: string[]; cwd: string; user?: unknown }>(
  process: Process,
  { env = {}, cwd, user }: ProcessOptions,
): Process {
  const names = new Set(Object.keys(env));
  const kept = (process.env ?? []).filter((entry) => !names.has(entry.split("=", 1)[0] ?? ""));
  return {
    ...process,
    env: [...kept, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)],
    ...(cwd !== undefined && { cwd }),
    ...(user !== undefined && { user }),
  };
}
