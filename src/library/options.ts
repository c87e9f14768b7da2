/** What a program asks of the library, and what is made of it. Nothing is made here. */
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { type Bundle, bundleOf, loadBundle } from "../oci/bundle.ts";
import { defaultSpec } from "../oci/default-spec.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { dirName } from "../util/path.ts";

/** Of the machine and of where the library keeps what it makes. */
export interface HostOptions {
  /** TOML file; default: the first that there is of those that the verbs read. */
  readonly config?: string;
  /** `TABLE.KEY=VALUE`, over the file. */
  readonly set?: readonly string[];
  /** Processors of the machine; default: the configuration's. */
  readonly vcpus?: number;
  /** Memory of the machine in `MiB`; default: the configuration's. Only what is used costs the host something. */
  readonly memoryMiB?: number;
  /** Absolute; where sandboxes are written down, for `kumite --root DIRECTORY list` and `recover`. Default /run/kumite-library. */
  readonly root?: string;
  /** Told each line of the log; default: they are in `shim.log` of the sandbox's directory alone. */
  readonly log?: (line: string) => void;
}

export interface ProcessOptions {
  /** Added to those of the sandbox's own process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute, in the sandbox; default: that of the sandbox's own process. */
  readonly cwd?: string;
  /** Default: that of the sandbox's own process. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface SandboxOptions extends HostOptions, ProcessOptions {
  /** Directory with `config.json` and a root file system, as `kumite spec` begins one. Exactly one of this and `rootfs`. */
  readonly bundle?: string;
  /** Directory with a root file system, or a disk image of one. It is never written to. */
  readonly rootfs?: string;
  /** Of the sandbox's own process, with which it ends. Default: the bundle's; of a `rootfs` a shell that waits. */
  readonly args?: readonly [string, ...string[]];
  /** Default: one made up, which the host name is too. */
  readonly id?: string;
  /** It has to be one that can be saved and forked; default: it is one if it can be (`saving`). */
  readonly savable?: boolean;
  readonly signal?: AbortSignal;
}

/** Ends by any signal that ends a process, and takes no processor. */
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

/** The streams of a process of the library are pipes. */
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
    // What a sandbox writes is its own, and goes with it.
    "runtime.rootfs_writes=guest",
    // The size is the caller's to say.
    "runtime.static_sandbox_resource_mgmt=true",
    ...(vcpus === undefined ? [] : [`hypervisor.qemu.default_vcpus=${vcpus}`]),
    ...(memoryMiB === undefined ? [] : [`hypervisor.qemu.default_memory=${memoryMiB}`]),
    ...set,
  ];
  return await loadConfig(os, { installRoot, path: config, overrides });
}

/** @internal What is wrong with it is found where it is used. */
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
