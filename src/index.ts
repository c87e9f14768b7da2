/** Kumite as a library for Node: sandboxes with their own kernel, to run processes in, save and fork. */
export {
  type ExecOptions,
  type Finished,
  type ForkOptions,
  LiveSandbox,
  type RunOptions,
} from "./library/live-sandbox.ts";
export { openSandbox, openSnapshot, type SnapshotOptions } from "./library/main.ts";
export type { HostOptions, ProcessOptions, SandboxOptions } from "./library/options.ts";
export type { ProcessExit, ProcessInput, RunningProcess } from "./library/process.ts";
export { type RestoreSandboxOptions, Snapshot } from "./library/snapshot.ts";
export type { Saving } from "./sandbox/saving.ts";
export { type ErrorCode, KumiteError } from "./util/errors.ts";
