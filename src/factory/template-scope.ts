/** Determines which requests share a template. */
import type { FactoryConfig } from "../config/config.ts";

/** Annotations with which containerd and CRI-O name a pod's namespace. */
export const namespaceAnnotations: readonly string[] = [
  "io.kubernetes.cri.sandbox-namespace",
  "io.kubernetes.cri-o.Namespace",
];

/**
 * The part of a template's key that separates requests that must not share a template.
 * @param root the state directory
 * @param annotations of the container, which name the Kubernetes namespace
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
