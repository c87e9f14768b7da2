/**
 * Decides which namespaces named by path belong to the container's own sandbox. Engines take such paths from the relay,
 * the process that stands for a container on the host. Every other namespace with a path lives on the host, where no
 * container can be.
 */
import type { Bundle, BundleSpec } from "../oci/bundle.ts";
import { containerRoleOf } from "../oci/container-role.ts";
import type { Sandbox } from "./sandbox.ts";

export interface Surroundings {
  /** `type` as in the specification. */
  readonly owns: (type: string, path: string) => boolean;
  /** The specification of the sandbox's first container, if another container is being added. */
  readonly first: BundleSpec | undefined;
}

/** Namespaces that all containers of a sandbox share. */
const shared: readonly string[] = ["ipc", "uts"];

/** For the first container of a sandbox. Engines may have made the pod's namespaces before. */
export function surroundingsOfFirst({ spec }: Bundle): Surroundings {
  const isPod = containerRoleOf(spec.annotations).type === "pod_sandbox";
  return { owns: (type) => isPod && shared.includes(type), first: undefined };
}

/** For a container that is added. */
export function surroundingsIn(sandbox: Sandbox): Surroundings {
  const first = sandbox.container(sandbox.host.id).bundle.spec;
  const owns = (type: string, path: string): boolean => {
    const given = first.linux.namespaces?.some((one) => one.type === type && one.path === path) ?? false;
    return given || pidsOf(sandbox, type).some((pid) => path === `/proc/${pid}/ns/${fileOf(type)}`);
  };
  return { owns, first };
}

/**
 * Pids of the host processes whose namespaces stand for the sandbox's. For the PID namespace only the first container
 * counts.
 */
function pidsOf(sandbox: Sandbox, type: string): number[] {
  const { host, containers } = sandbox;
  const standing = [...containers.values()].filter(
    (container) => container.process.state.phase !== "stopped" && (type !== "pid" || sandbox.isOwn(container)),
  );
  return [host.os.self.pid, ...standing.map(({ process }) => process.relay.pid)];
}

function fileOf(type: string): string {
  switch (type) {
    case "network":
      return "net";
    case "mount":
      return "mnt";
    default:
      return type;
  }
}
