/** Keys of `[factory]`. */
import { count, type KeyTable, text } from "../key.ts";

export const factoryKeys = {
  enable_template: {
    kind: "boolean-or",
    words: ["auto", "default"],
    default: "default",
    doc: "VMs are cloned from a template. `true`: the first one waits until it is made; `auto`: it boots, and the template is made meanwhile; `default`: `auto` if `rootfs_writes` is `guest`, otherwise `false`.",
    since: "1.2.0",
  },
  template_path: text("Directory for templates.", "1.7.0", { default: "/run/vc/vm/template", path: "made" }),
  template_scope: text(
    "Which sandboxes share a template: all of the host, of a state directory (`--root`), or of a Kubernetes namespace.",
    "ours",
    {
      default: "host",
      choices: ["host", "root", "namespace"],
    },
  ),
  template_limit: count(
    "Maximum memory of all templates; above it those that no VM runs on are removed, least recently used first.",
    "ours",
    { unit: "MiB", default: 1024, min: 1 },
  ),
  vm_cache_number: count("Number of VMs that the cache server keeps ready; 0: no cache.", "1.6.0", { max: 1024 }),
  vm_cache_endpoint: text("The cache server's socket.", "1.6.0", {
    default: "/var/run/kata-containers/cache.sock",
    path: "made",
  }),
} as const satisfies KeyTable;
