/** Births into a cgroup. */
import * as native from "kumite:native";
import { check } from "./check.ts";
import type { ProgramFilter } from "./process.ts";

/** As `fork` of process.ts; the child is born in the cgroup (version 2) whose directory this descriptor is. */
export function forkInto(flags: number, cgroupDirectory: number): number {
  return check(native.forkInto(flags, cgroupDirectory), "clone");
}

export interface StepsBirth {
  readonly steps: Uint8Array;
  /** Socket to the agent. */
  readonly control: number;
  /** Standard input, output and error. */
  readonly standard: readonly [number, number, number];
  /** pidfd of a process, or what else is held in its place, and which of its namespaces the step `enterContainer` enters. */
  readonly container?: { readonly pidfd: number; readonly entered: number };
  /** Name of its session keyring; `undefined`: the one of before. */
  readonly keyring?: string | undefined;
  readonly personality?: number | undefined;
  /** It is set when the program is executed. */
  readonly filter?: ProgramFilter | undefined;
}

/** The same, of a process that has no JavaScript and does what is in a list (src/sys/native/birth.h). */
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
