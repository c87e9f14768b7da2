/** Forks into a cgroup. */
import * as native from "kumite:native";
import { check } from "./check.ts";
import type { ProgramFilter } from "./process.ts";

/** Like `fork` of process.ts, but the child starts in the cgroup (v2) whose directory the descriptor is. */
export function forkInto(flags: number, cgroupDirectory: number): number {
  return check(native.forkInto(flags, cgroupDirectory), "clone");
}

export interface StepsBirth {
  readonly steps: Uint8Array;
  /** Socket to the agent. */
  readonly control: number;
  /** Standard input, output and error. */
  readonly standard: readonly [number, number, number];
  /**
   * pidfd of a process, or a descriptor of a namespace, and the namespaces of it that the step `enterContainer` enters.
   */
  readonly container?: { readonly pidfd: number; readonly entered: number };
  /** Name of the session keyring to join; `undefined`: keeps the current one. */
  readonly keyring?: string | undefined;
  readonly personality?: number | undefined;
  /** Set when the program is executed. */
  readonly filter?: ProgramFilter | undefined;
}

/** Like `forkInto`, for a process that has no JavaScript and carries out a list of steps (src/sys/native/birth.h). */
export function forkBySteps(flags: number, cgroupDirectory: number, birth: StepsBirth): number {
  const { steps, control, standard, container, keyring = null, personality = -1, filter } = birth;
  const descriptors = [control, ...standard];
  if (container !== undefined) descriptors.push(container.pidfd);
  const [entered, filterFlags, program] = [container?.entered ?? 0, filter?.flags ?? 0, filter?.program ?? null];
  const result = native.bear(
    ...([flags, cgroupDirectory, descriptors, entered, keyring, personality, steps, filterFlags, program] as const),
  );
  return check(result, "clone");
}
