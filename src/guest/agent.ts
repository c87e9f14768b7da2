/** What every method of the agent works on. */
import type { BootMarks } from "./boot/boot-marks.ts";
import type { ContainerHost } from "./container/host.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";

export interface Agent extends ContainerHost {
  /**
   * Whether the kernel is the agent's own, to set its clock and feed its random generator; otherwise it is a host's,
   * which the agent must leave alone.
   */
  readonly ownsKernel: boolean;
  readonly sandbox: Sandbox;
  readonly bootMarks: BootMarks;
  /** What leads to the host. */
  readonly channel: { expectReplacement(token: Uint8Array): void };
}
