/** A sandbox with its first container, as the sandbox library of Kata Containers takes it, out of a specification. */
import type { OciMount, OciSpec } from "../spec.ts";
import type { OciStatus } from "../state.ts";
import {
  bundleAnnotation,
  type ContainerConfig,
  type ContainerSource,
  containerConfig,
  specAnnotation,
  typeAnnotation,
} from "./container-config.ts";

export interface SandboxConfig {
  readonly id: string;
  readonly hostname: string;
  readonly containers: readonly [ContainerConfig];
  /** Those for assets are the sandbox's alone. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Of the /dev/shm that its containers share; 0: there is none. */
  readonly shmBytes: number;
  /** Of the host, to be joined; `undefined`: a new one. */
  readonly networkNamespace: string | undefined;
  readonly systemdCgroup: boolean;
}

export interface SandboxSource extends ContainerSource {
  readonly systemdCgroup?: boolean;
  /** Size of the file system at a path, in bytes. Its failure is passed on. */
  readonly fileSystemBytes: (path: string) => Promise<number>;
}

const assetPrefix = "io.katacontainers.config.hypervisor.";

/** Fails with `oci/spec-invalid`: what the container has first, then /dev/shm, then the network. */
export async function sandboxConfig(source: SandboxSource): Promise<SandboxConfig> {
  const { id, spec, systemdCgroup = false } = source;
  const container = containerConfig(source);
  const shmBytes = await shmSize(spec.mounts, source.fileSystemBytes);
  const own = [specAnnotation, bundleAnnotation, typeAnnotation].map((key) => [key, container.annotations[key] ?? ""]);
  const assets = Object.entries(spec.annotations ?? {}).filter(([key]) => key.startsWith(assetPrefix));
  return {
    id,
    hostname: spec.hostname ?? "",
    containers: [container],
    annotations: Object.fromEntries([...assets, ...own]) as Record<string, string>,
    shmBytes,
    networkNamespace: networkNamespaceOf(spec),
    systemdCgroup,
  };
}

const defaultShmBytes = 64 * 1024 * 1024;

/** The first mount at /dev/shm decides. One that binds another directory has that one's size. */
export async function shmSize(
  mounts: readonly OciMount[] = [],
  fileSystemBytes: (path: string) => Promise<number>,
): Promise<number> {
  const mount = mounts.find(({ destination }) => destination === "/dev/shm");
  if (mount === undefined) return 0;
  const { type, source = "" } = mount;
  return type === "bind" && source !== "/dev/shm" ? await fileSystemBytes(source) : defaultShmBytes;
}

/** The last one with a path counts. */
function networkNamespaceOf({ linux }: OciSpec): string | undefined {
  return linux?.namespaces?.findLast(({ type, path }) => type === "network" && path !== undefined && path !== "")?.path;
}

/** The state of a sandbox or container of Kata Containers as the runtime specification calls it; "" for any other. */
export function ociStatusOf(state: string): OciStatus | "" {
  switch (state) {
    case "ready":
      return "created";
    case "running":
    case "paused":
    case "stopped":
      return state;
    default:
      return "";
  }
}
