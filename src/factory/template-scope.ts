/** Who shares a template with whom. */
import type { FactoryConfig } from "../config/config.ts";

/**
 * What goes into a template's key: requests with another one get another template.
 *
 * @param root the state directory
 * @param namespace of Kubernetes, which the annotations of a container name; empty outside of it
 */
export function scopeOf({ templateScope }: FactoryConfig, root: string, namespace = ""): string {
  switch (templateScope) {
    case "host":
      return "";
    case "root":
      return `root ${root}`;
    case "namespace":
      return `namespace ${namespace}`;
  }
}
