/**
 * What a container is to its sandbox, by the annotations of the engines that make pods: containerd's CRI plugin, CRI-O and
 * dockershim. Pure; which sandbox an id names, and whether it is a good one, is the caller's affair.
 */
import { KumiteError } from "../util/errors.ts";

type Annotations = Readonly<Record<string, string>>;

/** The names that Kata Containers has for them. */
export type ContainerType = "pod_sandbox" | "pod_container" | "single_container";

/** `sandboxId` may be any text, an empty one included, as the engine wrote it. */
export type ContainerRole =
  /** No engine said anything: a machine of its own, sized by the container itself. */
  | { readonly type: "single_container" }
  /** The pod's first ("pause") container: a machine for what will follow. */
  | { readonly type: "pod_sandbox" }
  /** Belongs into the machine of this sandbox. */
  | { readonly type: "pod_container"; readonly sandboxId: string };

/** In the order in which they are asked: the first that is there decides, whatever engine its value is of. */
const typeKeys = ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType", "io.kubernetes.docker.type"];
const sandboxIdKeys = ["io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID", "io.kubernetes.sandbox.id"];

/** What is asked for here. */
export const roleAnnotations: readonly string[] = [...typeKeys, ...sandboxIdKeys];

const typeValues: ReadonlyMap<string, "pod_sandbox" | "pod_container"> = new Map([
  ["sandbox", "pod_sandbox"],
  ["podsandbox", "pod_sandbox"],
  ["container", "pod_container"],
]);

/** Fails with `oci/spec-invalid`. */
export function containerRoleOf(annotations: Annotations = {}): ContainerRole {
  const type = containerTypeOf(annotations);
  return type === "pod_container" ? { type, sandboxId: sandboxIdOf(annotations) } : { type };
}

/** Fails with `oci/spec-invalid` for a type that no engine has. */
export function containerTypeOf(annotations: Annotations = {}): ContainerType {
  const key = firstOf(typeKeys, annotations);
  if (key === undefined) return "single_container";
  const value = annotations[key] ?? "";
  const type = typeValues.get(value);
  if (type !== undefined) return type;
  throw new KumiteError("oci/spec-invalid", `annotations[${JSON.stringify(key)}]: Unknown container type ${value}`, {
    phase: "bundle.load",
    hint: `use one of ${[...typeValues.keys()].join(", ")}`,
    data: { key, value },
  });
}

/** Fails with `oci/spec-invalid` when no engine's key is there. */
export function sandboxIdOf(annotations: Annotations = {}): string {
  const key = firstOf(sandboxIdKeys, annotations);
  if (key !== undefined) return annotations[key] ?? "";
  throw new KumiteError("oci/spec-invalid", "annotations: Could not find sandbox ID", {
    phase: "bundle.load",
    hint: `name the container's sandbox in one of the annotations ${sandboxIdKeys.join(", ")}`,
  });
}

function firstOf(keys: readonly string[], annotations: Annotations): string | undefined {
  return keys.find((key) => Object.hasOwn(annotations, key));
}
