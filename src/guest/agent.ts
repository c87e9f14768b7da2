/** The parts of the agent that its methods work on. */
import type { BootMarks } from "./boot/boot-marks.ts";
import type { BootRest } from "./boot/rest.ts";
import type { ContainerHost } from "./container/host.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";

export interface Agent extends ContainerHost {
  readonly sandbox: Sandbox;
  readonly bootMarks: BootMarks;
  readonly bootRest: BootRest;
  /** Writes the lines of the log that still wait. */
  readonly flushLog: () => void;
  /** The connection to the host. */
  readonly channel: { expectReplacement(token: Uint8Array): void };
}
