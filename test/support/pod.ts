/** The annotations that pod engines write into the configurations of a pod's containers. */
import type { Patch } from "./bundle.ts";

/** For each engine: the key of the container's type, its values, and the key of the sandbox's id. */
export const podEngines = {
  containerd: ["io.kubernetes.cri.container-type", "sandbox", "io.kubernetes.cri.sandbox-id"],
  "CRI-O": ["io.kubernetes.cri-o.ContainerType", "sandbox", "io.kubernetes.cri-o.SandboxID"],
  dockershim: ["io.kubernetes.docker.type", "podsandbox", "io.kubernetes.sandbox.id"],
} as const;

export type PodEngine = keyof typeof podEngines;

export function asSandbox(engine: PodEngine = "containerd"): Patch {
  const [typeKey, value] = podEngines[engine];
  return (config) => {
    config.annotations = { ...config.annotations, [typeKey]: value };
  };
}

export function inSandbox(id: string, engine: PodEngine = "containerd"): Patch {
  const [typeKey, , idKey] = podEngines[engine];
  return (config) => {
    config.annotations = { ...config.annotations, [typeKey]: "container", [idKey]: id };
  };
}
