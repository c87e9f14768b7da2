/** Kumite as a library for programs on Node: sandboxes with a kernel of their own, to run code in, to save and to fork. */
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
