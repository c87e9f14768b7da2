/**
 * The one shape of templates and their clones: what differs is whose the memory is, where the shared directory leads, and
 * whether a kernel boots or a state goes on.
 */
import type { SharedDirectory } from "../hypervisor/spec.ts";
import { sharedTag } from "../storage/guest-paths.ts";
import type { VmRequest } from "../vm/start-vm.ts";
import { memoryPath, statePath, type Template } from "./template-store.ts";

type Setting = Pick<VmRequest, "id" | "directory" | "cgroups">;

/** A clone answers in a tenth of a second, or in some when many start on a busy host; a cold start would be slower than this. */
const cloneDialTimeoutMs = 15_000;

/** By 9p: a daemon could not reach memory that is private to each clone. */
export function cloneShare(path: string): SharedDirectory {
  return { tag: sharedTag, path, by: "9p" };
}

/** @param memory path of a file that the machine becomes the content of */
export function templateRequest(setting: Setting, memory: string, empty: string): VmRequest {
  return {
    ...setting,
    sharedDirectories: [cloneShare(empty)],
    memoryBacking: { kind: "file", path: memory, shared: true },
  };
}

export function cloneRequest(setting: Setting, template: Template, shared: string): VmRequest {
  return {
    ...setting,
    sharedDirectories: [cloneShare(shared)],
    memoryBacking: { kind: "file", path: memoryPath(template), shared: false },
    restoreFrom: statePath(template),
    dialTimeoutMs: cloneDialTimeoutMs,
  };
}
