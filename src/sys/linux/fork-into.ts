/** Births into a cgroup. */
import * as native from "kumite:native";
import { check } from "./check.ts";

/** As `fork` of process.ts; the child is born in the cgroup (version 2) whose directory this descriptor is. */
export function forkInto(flags: number, cgroupDirectory: number): number {
  return check(native.forkInto(flags, cgroupDirectory), "clone");
}
