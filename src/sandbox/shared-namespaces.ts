/**
 * Which namespaces a specification names by path are those of the container's own sandbox: engines take them from the process
 * that stands for it on the host. Everything else that has a path lives on the host, where no container can be.
 */
import type { Bundle, BundleSpec } from "../oci/bundle.ts";
import { containerRoleOf } from "../oci/container-role.ts";
import type { Sandbox } from "./sandbox.ts";

export interface Surroundings {
  /** `type` as the specification calls it. */
  readonly owns: (type: string, path: string) => boolean;
  /** Of the container that the sandbox was made with, when another one is added to it. */
  readonly first: BundleSpec | undefined;
}

/** Those that all containers of a sandbox share. */
const shared: readonly string[] = ["ipc", "uts"];

/** Of the container that the sandbox is made with. Engines may have made the pod's namespaces before it. */
export function surroundingsOfFirst({ spec }: Bundle): Surroundings {
  const isPod = containerRoleOf(spec.annotations).type === "pod_sandbox";
  return { owns: (type) => isPod && shared.includes(type), first: undefined };
}

/** Of one that is added. */
export function surroundingsIn(sandbox: Sandbox): Surroundings {
  const first = sandbox.container(sandbox.host.id).bundle.spec;
  const owns = (type: string, path: string): boolean => {
    const given = first.linux.namespaces?.some((one) => one.type === type && one.path === path) ?? false;
    return given || pidsOf(sandbox, type).some((pid) => path === `/proc/${pid}/ns/${fileOf(type)}`);
  };
  return { owns, first };
}

/** Of the processes that stand for it on the host. The pid namespace is that of the first container, no other one's. */
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
