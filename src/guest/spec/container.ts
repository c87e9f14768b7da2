/** Reads the whole OCI specification, from a parsed document to a plan. Pure. */
import { isAbsolutePath, normalizePath } from "../../util/path.ts";
import { readCgroupOwner } from "./cgroup-owner.ts";
import { readCgroupPath } from "./cgroup-path.ts";
import { readCgroupSettings } from "./cgroup-settings.ts";
import { readDeviceRules } from "./device-rules.ts";
import { readDevices } from "./devices.ts";
import { Fields } from "./fields.ts";
import { readHooks } from "./hooks.ts";
import { checkMapped } from "./id-mappings.ts";
import { propagationOf } from "./mount-options.ts";
import { readMounts } from "./mounts.ts";
import { hasOwnNamespace, readNamespaces } from "./namespaces.ts";
import { readPersonality } from "./personality.ts";
import type { ContainerPlan, NamespacePlan, Propagation, RootfsPlan } from "./plan.ts";
import { readProcess } from "./process.ts";
import { readSysctl } from "./sysctl.ts";
import { wrong } from "./wrong.ts";

/** The kernel's limit for host and domain names. */
const maxNameBytes = 64;

/**
 * @param document the OCI configuration; its paths are paths in the guest
 * @throws KumiteError `oci/spec-invalid` for an invalid specification, `oci/unsupported` for a valid one that asks for
 * something unsupported; both name the key
 */
export function readContainer(document: unknown, containerId: string): ContainerPlan {
  const spec = new Fields(document, "");
  const notApplied: string[] = [];
  const note = (phrase: string): void => void notApplied.push(phrase);
  const process = spec.object("process");
  if (process === undefined) throw wrong("process", "is missing");
  const linux = spec.object("linux");
  const namespaces = readNamespaces(linux);
  const rootfs = readRootfs(spec, linux);
  noteUnapplied(linux, note);
  const plan = readProcess(process, note);
  checkMapped(plan.user, namespaces.user);
  const mounts = readMounts(spec, note);
  return {
    rootfs,
    namespaces,
    hostname: readName(spec, "hostname", namespaces),
    domainname: readName(spec, "domainname", namespaces),
    mounts,
    devices: readDevices(linux),
    maskedPaths: readPaths(linux, "maskedPaths"),
    readonlyPaths: readPaths(linux, "readonlyPaths"),
    sysctl: readSysctl(linux, namespaces),
    cgroup: {
      path: readCgroupPath(linux?.text("cgroupsPath"), containerId),
      settings: readCgroupSettings(linux?.object("resources"), { notApplied: note }),
      devices: readDeviceRules(linux?.object("resources")),
      owner: readCgroupOwner(namespaces, mounts, plan.user),
    },
    personality: readPersonality(linux),
    // Not part of the OCI specification: the host sends this to the agent for `--no-new-keyring`.
    ownKeyring: !spec.flag("kumiteNoNewKeyring"),
    process: plan,
    hooks: readHooks(spec, containerId, rootfs.path),
    notApplied,
  };
}

function noteUnapplied(linux: Fields | undefined, note: (phrase: string) => void): void {
  // The last two are from later versions of the specification.
  for (const name of ["intelRdt", "netDevices", "memoryPolicy"]) if (linux?.has(name)) note(`linux.${name}`);
  if (linux?.text("mountLabel")) note("linux.mountLabel");
}

function readRootfs(spec: Fields, linux: Fields | undefined): RootfsPlan {
  const root = spec.object("root");
  if (root === undefined) throw wrong("root", "is missing");
  const path = root.requiredText("path");
  if (!isAbsolutePath(path)) throw wrong(root.key("path"), "must be an absolute path of the guest");
  if (normalizePath(path) === "/") throw wrong(root.key("path"), "must not be the guest's own root");
  return { path: normalizePath(path), readonly: root.flag("readonly"), propagation: readPropagation(linux) };
}

function readPropagation(linux: Fields | undefined): Propagation {
  const word = linux?.text("rootfsPropagation") ?? "";
  const bits = propagationOf(word === "" ? "rslave" : word);
  if (bits === undefined) throw wrong("linux.rootfsPropagation", `is not a propagation mode: ${JSON.stringify(word)}`);
  return bits;
}

/** A name can be set only in the container's own namespace; elsewhere it would rename other containers. */
function readName(spec: Fields, key: string, namespaces: NamespacePlan): string | undefined {
  const name = spec.text(key) ?? "";
  if (name === "") return undefined;
  if (name.length > maxNameBytes) throw wrong(key, `is longer than ${maxNameBytes} characters`);
  if (!hasOwnNamespace(namespaces, "uts")) throw wrong(key, "needs a uts namespace");
  return name;
}

function readPaths(linux: Fields | undefined, key: string): string[] {
  return (linux?.texts(key) ?? []).map((path, index) => {
    if (!isAbsolutePath(path)) throw wrong(`linux.${key}[${index}]`, "must be an absolute path");
    return normalizePath(path);
  });
}
