/**
 * Opens a terminal for the process in the container's own devpts, so that its name is right inside. The agent gets the
 * master; the slave becomes the controlling terminal.
 */
import { cloneMountOf } from "../../sys/linux/detached-mount.ts";
import { makedev } from "../../sys/linux/device.ts";
import { fchown } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { makeFileInRoot, openInRoot } from "../../sys/linux/in-root.ts";
import { attachMount } from "../../sys/linux/mount.ts";
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from "../../sys/linux/open-flags.ts";
import { sendmsg } from "../../sys/linux/socket.ts";
import { fstat } from "../../sys/linux/stat.ts";
import { openPtyPeer, ptyNumber, setControllingTerminal, setWindowSize, unlockPty } from "../../sys/linux/terminal.ts";
import { SystemError } from "../../util/errors.ts";
import type { TerminalPlan } from "../spec/plan.ts";
import { setStandard } from "./descriptors.ts";
import { encodeChildMessage } from "./message.ts";
import { directoryMode } from "./mount-target.ts";
import { step } from "./step.ts";

export interface TerminalRequest {
  /** The container's root. */
  readonly rootFd: number;
  /** Socket to the agent, over which the master is sent. */
  readonly control: number;
  readonly plan: TerminalPlan;
  /** User that will own the slave. */
  readonly uid: number;
  /** Whether the slave also becomes /dev/console, as for the first process of a container. */
  readonly console: boolean;
}

const multiplexer = "/dev/pts/ptmx";
const multiplexerNumber = makedev(5, 2);

/** The process must lead a session. Afterwards standard input, output and error are the terminal. */
export function openTerminal(request: TerminalRequest): void {
  step("making a terminal", () => {
    const master = openMultiplexer(request.rootFd);
    const slave = openPtyPeer(master);
    if (request.plan.rows !== 0 || request.plan.columns !== 0) setWindowSize(slave, request.plan);
    fchown(slave, request.uid, -1);
    if (request.console) bindConsole(request.rootFd, slave);
    sendmsg(request.control, encodeChildMessage({ kind: "terminal" }), [master]);
    closeQuietly(master);
    setControllingTerminal(slave);
    setStandard([slave, slave, slave]);
    closeQuietly(slave);
  });
}

function openMultiplexer(rootFd: number): number {
  // Another file at this path in the image must neither block the agent nor pass for a terminal.
  const master = openInRoot(rootFd, multiplexer, O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (fstat(master).deviceNumber !== multiplexerNumber || ptyNumber(master) === undefined) {
    closeQuietly(master);
    throw new SystemError("ENOTTY", "open", multiplexer);
  }
  unlockPty(master);
  return master;
}

function bindConsole(rootFd: number, slave: number): void {
  const target = makeFileInRoot(rootFd, "/dev/console", 0o600, directoryMode);
  const mount = cloneMountOf(slave, false, "/dev/console");
  attachMount(mount, target);
  closeQuietly(mount);
  closeQuietly(target);
}
