/** Keys of `[factory]`. */
import { count, type KeyTable, text } from "../key.ts";

export const factoryKeys = {
  enable_template: {
    kind: "boolean-or",
    word: "auto",
    default: false,
    doc: "Machines are clones of a booted one; `auto`: as soon as there is one, which a cold start makes.",
    since: "1.2.0",
  },
  template_path: text("Where templates are kept.", "1.7.0", { default: "/run/vc/vm/template", path: "made" }),
  template_scope: text(
    "Who shares a template: everyone of the host, of a state directory, or of a Kubernetes namespace.",
    "ours",
    {
      default: "host",
      choices: ["host", "root", "namespace"],
    },
  ),
  template_limit: count(
    "What all templates may take; then those go that no machine runs on, first the one not used for longest.",
    "ours",
    { unit: "MiB", default: 1024, min: 1 },
  ),
  vm_cache_number: count("Machines that a server keeps ready; 0: there is none.", "1.6.0", { max: 1024 }),
  vm_cache_endpoint: text("The server's socket.", "1.6.0", {
    default: "/var/run/kata-containers/cache.sock",
    path: "made",
  }),
} as const satisfies KeyTable;
