/**
 * `Os` over Node 20. The install root's `kumite` does what Node cannot: as a launcher it starts processes, as a helper
 * it mounts, locks files, and signals through pidfds. Terminals exist only on the small engine.
 */
import { randomBytes } from "node:crypto";
import { SystemError } from "../../util/errors.ts";
import { joinPath } from "../../util/path.ts";
import type { Mounts, Os, Terminals } from "../os.ts";
import type { Companions } from "./companions.ts";
import { nodeFiles } from "./files.ts";
import { HelperClient } from "./helper-client.ts";
import { readMountTable } from "./mount-table.ts";
import { nodeProcesses } from "./processes.ts";
import { nodeSelf } from "./self.ts";
import { nodeSockets } from "./sockets.ts";

export interface NodeOsOptions {
  /** Directory that contains the executable `kumite`. */
  readonly installRoot: string;
  /** Processes started in advance, for spawn requests that ask for them. */
  readonly companions?: Companions | undefined;
}

export function nodeOs({ installRoot, companions }: NodeOsOptions): Os {
  const launcher = joinPath(installRoot, "kumite");
  const helper = new HelperClient(launcher);
  return {
    files: nodeFiles(helper),
    processes: nodeProcesses(launcher, helper, companions),
    sockets: nodeSockets(launcher),
    mounts: nodeMounts(helper),
    terminals: noTerminals,
    self: nodeSelf(),
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: (length) => new Uint8Array(randomBytes(length)),
  };
}

function nodeMounts(helper: HelperClient): Mounts {
  return {
    mount: (request) => helper.mount(request),
    unmount: (target, { lazy = false } = {}) => helper.unmount(target, lazy),
    table: readMountTable,
  };
}

const noTerminals: Terminals = {
  isTerminal: refuse("isatty"),
  makeRaw: refuse("tcsetattr"),
  windowSize: refuse("TIOCGWINSZ"),
  setWindowSize: refuse("TIOCSWINSZ"),
  openPty: refuse("openpty"),
  setControllingTerminal: refuse("TIOCSCTTY"),
  sendDescriptor: async () => refuse("sendmsg")(),
};

function refuse(call: string): () => never {
  return () => {
    throw new SystemError("ENOSYS", call);
  };
}
