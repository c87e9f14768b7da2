/**
 * The hooks that run in the guest: `createContainer` with paths of the guest, `startContainer` with paths of the
 * container. The others run on the host, where the runtime is. Pure.
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
      // The host's bundle means nothing here; what the guest has of it lies around the root file system.
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
    // The first is what the program is told to be; without any it is told its path.
    args: args.length === 0 ? [path] : args,
    env: fields.texts("env"),
    timeoutMs: seconds === undefined ? undefined : seconds * 1000,
  };
}
