/**
 * The specification as the guest gets it: paths of the guest instead of the host's, and without what only the host can
 * do or what would mean something else inside a virtual machine. Pure.
 */
import type { Config } from "../config/config.ts";
import type { Bundle, BundleSpec } from "../oci/bundle.ts";
import type { OciHooks, OciLinux, OciMount, OciProcess, OciSeccomp } from "../oci/spec.ts";
import { readProfile } from "../seccomp/read-profile.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";

export interface GuestSpec {
  readonly spec: BundleSpec;
  /** What was asked for and is not done; one sentence each. */
  readonly notes: readonly string[];
}

/**
 * @param rootfs in the guest
 * @param mounts with sources in the guest
 * @throws KumiteError `oci/unsupported` for a namespace that lives in another virtual machine or on the host, and, as
 *   `oci/spec-invalid`, for a seccomp profile that cannot be compiled later
 */
export function guestSpecOf(
  bundle: Bundle,
  rootfs: string,
  mounts: readonly OciMount[],
  { guestSeccomp }: Pick<Config, "guestSeccomp">,
): GuestSpec {
  const { spec } = bundle;
  const { hooks, ...rest } = spec;
  const guestHooks = hooks === undefined ? undefined : hooksForGuest(hooks);
  return {
    spec: {
      ...rest,
      root: { ...spec.root, path: rootfs },
      mounts: [...mounts],
      process: processForGuest(spec.process),
      linux: linuxForGuest(bundle, guestSeccomp),
      ...(guestHooks === undefined ? {} : { hooks: guestHooks }),
    },
    notes: notesAbout(spec, guestSeccomp),
  };
}

/** Labels and profiles name policies of the host's kernel. Also for `exec`. */
export function processForGuest(process: OciProcess): OciProcess {
  const { apparmorProfile: _profile, selinuxLabel: _label, ...rest } = process;
  return rest;
}

/** Those of the runtime's side run on the host. */
function hooksForGuest({ createContainer, startContainer }: OciHooks): OciHooks | undefined {
  const kept: OciHooks = {};
  if (createContainer !== undefined) kept.createContainer = createContainer;
  if (startContainer !== undefined) kept.startContainer = startContainer;
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function linuxForGuest(bundle: Bundle, guestSeccomp: boolean): OciLinux {
  const { cgroupsPath: _host, mountLabel: _label, seccomp, ...linux } = bundle.spec.linux;
  const filtered = guestSeccomp && seccomp !== undefined;
  if (filtered) checkSeccomp(bundle, seccomp);
  const namespaces = (linux.namespaces ?? []).filter(({ type, path }, index) => {
    // The virtual machine has the network to itself and is the only thing in it.
    if (type === "network") return false;
    if (path !== undefined && path !== "") throw elsewhere(bundle, `linux.namespaces[${index}]`, type, path);
    return true;
  });
  refuseNetworkParameters(bundle);
  return { ...linux, namespaces, ...(filtered ? { seccomp } : {}) };
}

/** A mistake is told now, not when the machine is up and the profile is compiled. */
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

/** Asked of the configuration as it is on the host: the guest is not told of network namespaces. */
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
    `${bundle.configFile}: ${key}: the ${type} namespace ${path} cannot be joined: it is outside of the virtual machine`,
    {
      phase: "container.create",
      hint: `leave the path out: the container gets its own ${type} namespace`,
      data: { file: bundle.configFile, key, path },
    },
  );
}

function notesAbout({ linux, process }: BundleSpec, guestSeccomp: boolean): string[] {
  const notes: string[] = [];
  if (linux.seccomp !== undefined && !guestSeccomp) {
    notes.push("linux.seccomp is not applied: runtime.disable_guest_seccomp is set");
  }
  const network = linux.namespaces?.find(({ type }) => type === "network");
  if (network === undefined || network.path !== undefined) {
    notes.push("networking is not there yet: the container has no interface but the loopback");
  }
  if (process.apparmorProfile) notes.push("process.apparmorProfile is not applied: the guest has no such profile");
  if (process.selinuxLabel) notes.push("process.selinuxLabel is not applied: the guest has no SELinux policy");
  return notes;
}
