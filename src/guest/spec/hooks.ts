/**
 * The hooks that run in the guest: `createContainer` with paths in the guest, `startContainer` with paths in the
 * container. All other hooks run on the host, with the runtime. Pure.
 */
import type { Fields } from "./fields.ts";
import type { HookPlan, HooksPlan } from "./plan.ts";
import { wrong } from "./wrong.ts";

const maxTimeoutSeconds = 2 ** 31 - 1;

export function readHooks(spec: Fields, containerId: string, rootfs: string): HooksPlan {
  const hooks = spec.object("hooks");
  return {
    createContainer: hooks?.objects("createContainer").map(readHook) ?? [],
    startContainer: hooks?.objects("startContainer").map(readHook) ?? [],
    state: {
      ociVersion: spec.text("ociVersion") ?? "1.0.0",
      id: containerId,
      // The host's bundle does not exist here; the closest thing in the guest is the directory around the root file
      // system.
      bundle: rootfs.slice(0, rootfs.lastIndexOf("/")) || "/",
      annotations: Object.fromEntries(spec.pairs("annotations")),
    },
  };
}

function readHook(fields: Fields): HookPlan {
  const path = fields.absolutePath("path");
  const args = fields.texts("args");
  const seconds = fields.integer("timeout", 1, maxTimeoutSeconds);
  fields.texts("env").forEach((entry, index) => {
    if (entry.indexOf("=") < 1) throw wrong(`${fields.key("env")}[${index}]`, "must be NAME=value");
  });
  return {
    key: fields.where,
    path,
    // The first argument is argv[0]; without any arguments, that is the path.
    args: args.length === 0 ? [path] : args,
    env: fields.texts("env"),
    timeoutMs: seconds === undefined ? undefined : seconds * 1000,
  };
}
