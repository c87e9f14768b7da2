/** A container of a sandbox, as the sandbox library of Kata Containers takes it, out of a specification. Pure. */
import { resolvePath } from "../../util/path.ts";
import { containerTypeOf } from "../container-role.ts";
import { isReadOnlyMount } from "../mount.ts";
import type { OciMount, OciResources, OciSpec } from "../spec.ts";
import { type CapabilitySets, capabilitiesOf } from "./capabilities.ts";
import { environmentOf, type Variable } from "./environment.ts";
import { invalid } from "./invalid.ts";

export const bundleAnnotation = "io.katacontainers.pkg.oci.bundle_path";
export const typeAnnotation = "io.katacontainers.pkg.oci.container_type";
/** The specification itself, as JSON. */
export const specAnnotation = "io.katacontainers.pkg.oci.config";

export interface ContainerConfig {
  readonly id: string;
  /** Absolute. */
  readonly rootfs: string;
  readonly readOnlyRootfs: boolean;
  readonly command: CommandConfig;
  readonly annotations: Readonly<Record<string, string>>;
  readonly mounts: readonly MountConfig[];
  readonly devices: readonly DeviceConfig[];
  readonly resources: OciResources;
}

export interface CommandConfig {
  readonly args: readonly string[];
  readonly environment: readonly Variable[];
  readonly workDirectory: string;
  /** In decimal digits. */
  readonly user: string;
  readonly primaryGroup: string;
  readonly supplementaryGroups: readonly string[];
  readonly interactive: boolean;
  readonly noNewPrivileges: boolean;
  readonly capabilities: CapabilitySets;
}

export interface MountConfig {
  readonly source: string;
  readonly destination: string;
  readonly type: string;
  readonly options: readonly string[];
  readonly readOnly: boolean;
}

export interface DeviceConfig {
  readonly path: string;
  readonly type: "c" | "b" | "u" | "p";
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ContainerSource {
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  readonly spec: OciSpec;
}

/** Fails with `oci/spec-invalid`: parts that are missing first, then devices, capabilities and the container's type. */
export function containerConfig({ id, bundle, spec }: ContainerSource): ContainerConfig {
  const { root, process, linux } = spec;
  if (linux === undefined) throw invalid("missing Linux section", "linux");
  if (root === undefined) throw invalid("missing", "root");
  if (process === undefined) throw invalid("missing", "process");
  const devices = devicesOf(linux.devices);
  const capabilities = capabilitiesOf(process);
  const { user = {} } = process;
  return {
    id,
    rootfs: resolvePath(bundle, root.path),
    readOnlyRootfs: root.readonly ?? false,
    command: {
      args: process.args,
      environment: environmentOf(process.env),
      workDirectory: process.cwd,
      user: String(user.uid ?? 0),
      primaryGroup: String(user.gid ?? 0),
      supplementaryGroups: (user.additionalGids ?? []).map(String),
      interactive: process.terminal ?? false,
      noNewPrivileges: process.noNewPrivileges ?? false,
      capabilities,
    },
    annotations: {
      [specAnnotation]: JSON.stringify(spec),
      [bundleAnnotation]: bundle,
      [typeAnnotation]: containerTypeOf(spec.annotations),
    },
    mounts: (spec.mounts ?? []).map(mountConfig),
    devices,
    resources: linux.resources ?? {},
  };
}

function mountConfig(mount: OciMount): MountConfig {
  const { source = "", destination, type = "", options = [] } = mount;
  return { source, destination, type, options, readOnly: isReadOnlyMount(mount) };
}

interface DeviceEntry {
  readonly path?: string;
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** The type is looked at before the path. Fails with `oci/spec-invalid`. */
export function devicesOf(devices: readonly DeviceEntry[] = []): DeviceConfig[] {
  return devices.map(({ path = "", type = "", major = 0, minor = 0, fileMode = 0, uid = 0, gid = 0 }, index) => {
    const key = `linux.devices[${index}]`;
    if (type !== "c" && type !== "b" && type !== "u" && type !== "p") {
      throw invalid(`Unexpected Device Type ${type}`, `${key}.type`);
    }
    if (path === "") throw invalid("Path cannot be empty for device", `${key}.path`);
    return { path, type, major, minor, mode: fileMode, uid, gid };
  });
}

/** Fails with `oci/spec-invalid` for an annotation that is not there. */
export function annotationOf(annotations: Readonly<Record<string, string>>, key: string): string {
  const value = Object.hasOwn(annotations, key) ? annotations[key] : undefined;
  if (value === undefined) throw invalid(`Annotation[${key}] not found`, "annotations");
  return value;
}
