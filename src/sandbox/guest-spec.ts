/**
 * Translates the specification for the guest: host paths become guest paths, and everything is removed that only the
 * host can do or that would mean something else in a VM. Pure.
 */
import type { Config } from "../config/config.ts";
import type { Bundle, BundleSpec } from "../oci/bundle.ts";
import type { OciHooks, OciLinux, OciMount, OciProcess, OciSeccomp } from "../oci/spec.ts";
import { readProfile } from "../seccomp/read-profile.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { isBelow } from "../util/path.ts";
import type { Surroundings } from "./shared-namespaces.ts";

export interface GuestSpec {
  readonly spec: BundleSpec;
  /** The container is born into the PID namespace of the sandbox's first container. */
  readonly sharesPids: boolean;
  /** Requested features that are not applied, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * @param rootfs path in the guest
 * @param mounts with sources in the guest
 * @param around the sandbox that the container belongs to
 * @throws KumiteError `oci/unsupported` for a namespace that lives in another VM or on the host, and `oci/spec-invalid`
 *   for a seccomp profile that could not be compiled later
 */
export function guestSpecOf(
  bundle: Bundle,
  rootfs: string,
  mounts: readonly OciMount[],
  { guestSeccomp }: Pick<Config, "guestSeccomp">,
  around: Surroundings,
): GuestSpec {
  const { spec } = bundle;
  const { hooks, hostname, domainname, annotations, ...rest } = spec;
  // The names belong to the sandbox: an added container must not rename the others.
  const names = around.first === undefined ? { hostname, domainname } : {};
  const { linux, sharesPids } = linuxForGuest(bundle, guestSeccomp, around);
  const guestHooks = hooks === undefined ? undefined : hooksForGuest(hooks);
  return {
    spec: {
      ...rest,
      ...withoutUndefined(names),
      ...(annotations === undefined ? {} : { annotations: annotationsForGuest(annotations) }),
      root: { ...spec.root, path: rootfs },
      mounts: [...mounts],
      process: processForGuest(spec.process),
      linux,
      ...(guestHooks === undefined ? {} : { hooks: guestHooks }),
    },
    sharesPids,
    notes: [...notesAbout(spec, guestSeccomp), ...notesAboutNames(spec, around)],
  };
}

/**
 * Security labels and profiles name policies of the host's kernel. Entries of `env` that are not NAME=value are
 * dropped. Also used by `exec`.
 */
export function processForGuest(process: OciProcess): OciProcess {
  const { apparmorProfile: _profile, selinuxLabel: _label, env, ...rest } = process;
  return env === undefined ? rest : { ...rest, env: env.filter(isVariable) };
}

function isVariable(entry: string): boolean {
  return entry.indexOf("=") > 0;
}

/** Annotations that configure the VM concern the host alone; some name files of the host. */
function annotationsForGuest(annotations: NonNullable<BundleSpec["annotations"]>): Record<string, string> {
  const kept = Object.entries(annotations).filter(([name]) => !name.startsWith("io.katacontainers.config"));
  return Object.fromEntries(kept);
}

/** The hooks of the runtime's namespace run on the host. */
function hooksForGuest({ createContainer, startContainer }: OciHooks): OciHooks | undefined {
  const kept: OciHooks = {};
  if (createContainer !== undefined) kept.createContainer = createContainer;
  if (startContainer !== undefined) kept.startContainer = startContainer;
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function linuxForGuest(
  bundle: Bundle,
  guestSeccomp: boolean,
  around: Surroundings,
): { readonly linux: OciLinux; readonly sharesPids: boolean } {
  const { cgroupsPath: _host, mountLabel: _label, seccomp, devices, ...linux } = bundle.spec.linux;
  const filtered = guestSeccomp && seccomp !== undefined;
  if (filtered) checkSeccomp(bundle, seccomp);
  const namespaces: NonNullable<OciLinux["namespaces"]> = [];
  let sharesPids = false;
  for (const [index, { type, path = "" }] of (linux.namespaces ?? []).entries()) {
    // The VM serves as the network namespace: nothing else in it uses the network.
    if (type === "network") continue;
    if (path !== "" && (!joinable.has(type) || !around.owns(type, path))) {
      throw elsewhere(bundle, `linux.namespaces[${index}]`, type, path);
    }
    if (type === "pid" && path !== "") sharesPids = true;
    else namespaces.push({ type });
  }
  refuseNetworkParameters(bundle);
  const ids = idMappings(linux, around);
  const kept = devices?.filter(({ path }) => !isBelow("/dev/vfio", path));
  return {
    linux: { ...linux, ...ids, namespaces, ...(kept && { devices: kept }), ...(filtered && { seccomp }) },
    sharesPids,
  };
}

/**
 * Types that may name a path of the sandbox. The namespace is then shared, but a user or cgroup namespace is made anew.
 */
const joinable: ReadonlySet<string> = new Set(["ipc", "uts", "pid", "user", "cgroup"]);

/**
 * A container that joins the sandbox's user namespace gets a new one with the same mappings, and need not repeat them.
 */
function idMappings({ namespaces, uidMappings, gidMappings }: OciLinux, { first }: Surroundings): Partial<OciLinux> {
  const joins = namespaces?.some(({ type, path = "" }) => type === "user" && path !== "") ?? false;
  if (!joins || uidMappings !== undefined || gidMappings !== undefined) return {};
  const { uidMappings: uids, gidMappings: gids } = first?.linux ?? {};
  return { ...(uids && { uidMappings: uids }), ...(gids && { gidMappings: gids }) };
}

function withoutUndefined<T extends object>(fields: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Key in keyof T]: Exclude<T[Key], undefined> };
}

/** Reports a mistake now, before the VM is running and the profile is compiled. */
function checkSeccomp({ configFile }: Bundle, seccomp: OciSeccomp): void {
  try {
    readProfile(seccomp);
  } catch (error) {
    if (!isKumiteError(error)) throw error;
    const { code, message, hint, data } = error;
    throw new KumiteError(code, `${configFile}: ${message}`, {
      phase: "container.create",
      ...(hint !== undefined && { hint }),
      data: { file: configFile, ...data },
    });
  }
}

/** Checks the specification as the host got it, because the guest is not told about network namespaces. */
function refuseNetworkParameters({ configFile, spec }: Bundle): void {
  if (spec.linux.namespaces?.some(({ type }) => type === "network")) return;
  const name = Object.keys(spec.linux.sysctl ?? {}).find((key) => /^net[./]/.test(key));
  if (name === undefined) return;
  const key = `linux.sysctl[${JSON.stringify(name)}]`;
  throw new KumiteError("oci/spec-invalid", `${configFile}: ${key} needs a network namespace`, {
    phase: "container.create",
    data: { file: configFile, key },
  });
}

function elsewhere(bundle: Bundle, key: string, type: string, path: string): KumiteError {
  return new KumiteError(
    "oci/unsupported",
    `${bundle.configFile}: ${key}: the ${type} namespace ${path} cannot be joined: it is outside of the VM`,
    {
      phase: "container.create",
      hint: `remove the path, so that the container gets its own ${type} namespace`,
      data: { file: bundle.configFile, key, path },
    },
  );
}

function notesAboutNames({ hostname, domainname }: BundleSpec, { first }: Surroundings): string[] {
  if (first === undefined) return [];
  const notes: string[] = [];
  if (hostname !== undefined && hostname !== first.hostname)
    notes.push("hostname is not applied: the container has its sandbox's");
  if (domainname !== undefined && domainname !== first.domainname) {
    notes.push("domainname is not applied: the container has its sandbox's");
  }
  return notes;
}

function notesAbout({ linux, process }: BundleSpec, guestSeccomp: boolean): string[] {
  const notes: string[] = [];
  if (linux.seccomp !== undefined && !guestSeccomp) {
    notes.push("linux.seccomp is not applied: runtime.disable_guest_seccomp is set");
  }
  const network = linux.namespaces?.find(({ type }) => type === "network");
  if (network === undefined || network.path !== undefined) {
    notes.push("networking is not supported yet: the container has a loopback interface only");
  }
  for (const [index, entry] of (process.env ?? []).entries()) {
    if (!isVariable(entry)) notes.push(`process.env[${index}] is left out: it is not NAME=value`);
  }
  for (const [index, { path }] of (linux.devices ?? []).entries()) {
    if (!isBelow("/dev/vfio", path)) continue;
    notes.push(`linux.devices[${index}] is left out: devices of the host cannot be attached to a VM yet`);
  }
  if (process.apparmorProfile) notes.push("process.apparmorProfile is not applied: the guest has no such profile");
  if (process.selinuxLabel) notes.push("process.selinuxLabel is not applied: the guest has no SELinux policy");
  return notes;
}
