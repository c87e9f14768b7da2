/**
 * A sandbox inside this process, which takes the part of the shim: its claim, its log and its object. `removeSandbox`
 * leaves nothing behind, whatever state the sandbox is in. If this process is killed, `kumite recover` does the same.
 */
import type { Config } from "../config/config.ts";
import type { Bundle } from "../oci/bundle.ts";
import { checkContainerId } from "../oci/container-id.ts";
import { RingFile } from "../persist/ring-file.ts";
import { prepareSandbox } from "../sandbox/prepare.ts";
import { recoverContainer } from "../sandbox/recover.ts";
import { recoverAll } from "../sandbox/recover-all.ts";
import { Sandbox, type SandboxHost } from "../sandbox/sandbox.ts";
import { stopSandbox } from "../sandbox/stop.ts";
import { Timeline } from "../sandbox/timeline.ts";
import type { Os, ProcessId } from "../sys/os.ts";
import { messageOf } from "../util/errors.ts";
import { toHex } from "../util/hex.ts";
import { createLogger, type Logger, textSink } from "../util/log.ts";
import type { HostOptions } from "./options.ts";

export const libraryRoot = "/run/kumite-library";
const maxLogBytes = 256 * 1024;

export interface PlaceRequest {
  readonly id: string;
  readonly bundle: Bundle;
  readonly config: Config;
  readonly options: HostOptions;
  readonly saves?: SandboxHost["saves"];
}

export function newId(os: Os): string {
  return `sandbox-${toHex(os.random(6))}`;
}

/** Starts nothing. @throws KumiteError `container/exists`, `container/bad-id`, `cgroup/failed`; nothing is left then */
export async function prepare(os: Os, { id, bundle, config, options, saves }: PlaceRequest): Promise<Sandbox> {
  const { root = libraryRoot, log } = options;
  checkContainerId(id);
  const startedMs = os.clock.monotonic();
  // Remains of programs that were killed.
  const unrecovered = await recoverKilled(os, root);
  const { paths, journal } = await prepareSandbox(os, root, id, bundle);
  await journal.made("shim", selfOf(os));
  const logger = logTo(os, paths.log, config.debug, log).with({ sandbox: id });
  for (const why of unrecovered) logger.warn(`what a killed program left could not be removed: ${why}`);
  for (const notice of config.notices) logger.warn(notice);
  const timeline = new Timeline(os.clock, startedMs);
  return new Sandbox({
    os,
    log: logger,
    config,
    root,
    id,
    paths,
    timeline,
    ofProgram: true,
    ...(saves !== undefined && { saves }),
  });
}

/** Returns what could not be recovered and why. Such remains do not prevent a new sandbox. */
async function recoverKilled(os: Os, root: string): Promise<string[]> {
  try {
    const { failed } = await recoverAll(os, root);
    return failed.map(({ id, error }) => `${id}: ${messageOf(error)}`);
  } catch (error) {
    return [messageOf(error)];
  }
}

/** Resolves when nothing is left, whatever the sandbox was doing. @throws KumiteError `cleanup/incomplete` */
export async function removeSandbox(sandbox: Sandbox): Promise<void> {
  await stopSandbox(sandbox);
  const { os, root, id, log } = sandbox.host;
  await recoverContainer(os, root, id, log);
}

export function selfOf({ self: { pid, startTicks } }: Os): ProcessId {
  return { pid, startTicks };
}

function logTo(os: Os, path: string, debug: boolean, also: ((line: string) => void) | undefined): Logger {
  const file = new RingFile(os, path, { maxBytes: maxLogBytes, onFailure: () => {} });
  const write = (line: string): void => {
    file.add(line.trimEnd());
    also?.(line.trimEnd());
  };
  return createLogger({ sink: textSink(write), now: os.clock.now, level: debug ? "debug" : "info" });
}
