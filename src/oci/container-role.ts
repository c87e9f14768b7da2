/**
 * A container's role in its sandbox, from the annotations of the engines that manage pods: containerd's CRI plugin,
 * CRI-O and dockershim. Pure; the caller looks up the sandbox and checks its id.
 */
import { KumiteError } from "../util/errors.ts";

type Annotations = Readonly<Record<string, string>>;

/** Kata Containers' names for the roles. */
export type ContainerType = "pod_sandbox" | "pod_container" | "single_container";

/** `sandboxId` is any text as the engine wrote it, perhaps empty. */
export type ContainerRole =
  /** No annotation: the container gets its own VM, sized for it alone. */
  | { readonly type: "single_container" }
  /** The pod's first ("pause") container: its VM is for the containers that follow. */
  | { readonly type: "pod_sandbox" }
  /** Belongs in the VM of this sandbox. */
  | { readonly type: "pod_container"; readonly sandboxId: string };

/** In this order. The first key that is present decides, whichever engine its value belongs to. */
const typeKeys = ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType", "io.kubernetes.docker.type"];
const sandboxIdKeys = ["io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID", "io.kubernetes.sandbox.id"];

/** All keys read here. */
export const roleAnnotations: readonly string[] = [...typeKeys, ...sandboxIdKeys];

const typeValues: ReadonlyMap<string, "pod_sandbox" | "pod_container"> = new Map([
  ["sandbox", "pod_sandbox"],
  ["podsandbox", "pod_sandbox"],
  ["container", "pod_container"],
]);

/** @throws KumiteError `oci/spec-invalid` */
export function containerRoleOf(annotations: Annotations = {}): ContainerRole {
  const type = containerTypeOf(annotations);
  return type === "pod_container" ? { type, sandboxId: sandboxIdOf(annotations) } : { type };
}

/** @throws KumiteError `oci/spec-invalid` for an unknown type */
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

/** @throws KumiteError `oci/spec-invalid` if no key is present */
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
