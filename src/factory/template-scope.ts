/** Who shares a template with whom. */
import type { FactoryConfig } from "../config/config.ts";

/** What pod engines call the namespace of a pod: containerd, CRI-O. */
export const namespaceAnnotations: readonly string[] = [
  "io.kubernetes.cri.sandbox-namespace",
  "io.kubernetes.cri-o.Namespace",
];

/**
 * What goes into a template's key: requests with another one get another template.
 *
 * @param root the state directory
 * @param annotations of the container, which name the namespace of Kubernetes
 */
export function scopeOf(
  { templateScope }: FactoryConfig,
  root: string,
  annotations: Readonly<Record<string, string>> = {},
): string {
  switch (templateScope) {
    case "host":
      return "";
    case "root":
      return `root ${root}`;
    case "namespace":
      return `namespace ${namespaceAnnotations.map((name) => annotations[name]).find((name) => name !== undefined) ?? ""}`;
  }
}
