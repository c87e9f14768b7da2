/**
 * The OCI runtime specification as the protocol's message. Pure. Keys without a field in the message are in the JSON
 * sent beside it (fields.ts).
 */
import type { OciHook, OciHooks, OciLinux, OciSeccomp, OciSpec } from "../oci/spec.ts";
import type { Hook, Hooks, Linux, LinuxSeccomp, Spec } from "../protocol/gen/kata/oci.ts";
import type { MessageInit } from "../protocol/ttrpc/service.ts";
import { int64Of, uint64Of } from "./integers.ts";
import { processMessage } from "./oci-process.ts";
import { resourcesMessage } from "./oci-resources.ts";

export function specMessage(spec: OciSpec): MessageInit<Spec> {
  const { process, root, hooks, linux, annotations } = spec;
  return {
    Version: spec.ociVersion,
    Process: process && processMessage(process),
    Root: root && { Path: root.path, Readonly: root.readonly },
    Hostname: spec.hostname,
    Mounts: spec.mounts?.map(({ destination, source, type, options }) => ({ destination, source, type, options })),
    Hooks: hooks && hooksMessage(hooks),
    Annotations: mapOf(annotations),
    Linux: linux && linuxMessage(linux),
  };
}

function linuxMessage(linux: OciLinux): MessageInit<Linux> {
  const idMappings = (mappings: OciLinux["uidMappings"]) =>
    mappings?.map(({ hostID, containerID, size }) => ({ HostID: hostID, ContainerID: containerID, Size: size }));
  return {
    UIDMappings: idMappings(linux.uidMappings),
    GIDMappings: idMappings(linux.gidMappings),
    Sysctl: mapOf(linux.sysctl),
    Resources: linux.resources && resourcesMessage(linux.resources),
    CgroupsPath: linux.cgroupsPath,
    Namespaces: linux.namespaces?.map(({ type, path }) => ({ Type: type, Path: path })),
    Devices: linux.devices?.map((device) => ({
      Path: device.path,
      Type: device.type,
      Major: int64Of(device.major),
      Minor: int64Of(device.minor),
      FileMode: device.fileMode,
      UID: device.uid,
      GID: device.gid,
    })),
    Seccomp: linux.seccomp && seccompMessage(linux.seccomp),
    RootfsPropagation: linux.rootfsPropagation,
    MaskedPaths: linux.maskedPaths,
    ReadonlyPaths: linux.readonlyPaths,
    MountLabel: linux.mountLabel,
    IntelRdt: linux.intelRdt && { L3CacheSchema: linux.intelRdt.l3CacheSchema },
  };
}

function seccompMessage({ defaultAction, architectures, flags, syscalls }: OciSeccomp): MessageInit<LinuxSeccomp> {
  return {
    DefaultAction: defaultAction,
    Architectures: architectures,
    Flags: flags,
    Syscalls: syscalls?.map(({ names, action, errnoRet, args }) => ({
      Names: names,
      Action: action,
      errnoret: errnoRet,
      Args: args?.map(({ index, value, valueTwo, op }) => ({
        Index: uint64Of(index),
        Value: uint64Of(value),
        ValueTwo: uint64Of(valueTwo),
        Op: op,
      })),
    })),
  };
}

function hooksMessage(hooks: OciHooks): MessageInit<Hooks> {
  return {
    Prestart: hooks.prestart?.map(hookMessage),
    Poststart: hooks.poststart?.map(hookMessage),
    Poststop: hooks.poststop?.map(hookMessage),
    CreateRuntime: hooks.createRuntime?.map(hookMessage),
    CreateContainer: hooks.createContainer?.map(hookMessage),
    StartContainer: hooks.startContainer?.map(hookMessage),
  };
}

function hookMessage({ path, args, env, timeout }: OciHook): MessageInit<Hook> {
  return { Path: path, Args: args, Env: env, Timeout: int64Of(timeout) };
}

function mapOf(record: Readonly<Record<string, string>> | undefined): Map<string, string> | undefined {
  return record && new Map(Object.entries(record));
}
