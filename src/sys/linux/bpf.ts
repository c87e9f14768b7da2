/** eBPF programs on cgroups (v2). */
import * as native from "kumite:native";
import { decodeUtf8 } from "kumite:native";
import { KumiteError } from "../../util/errors.ts";
import { check, EINVAL, failure } from "./check.ts";
import { closeQuietly } from "./file.ts";

export const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
export const BPF_CGROUP_DEVICE = 6;
/** Programs of cgroups below run as well, and cannot allow what this one refuses. */
const BPF_F_ALLOW_MULTI = 2;
const BPF_F_REPLACE = 4;

const E2BIG = -7;
const EACCES = -13;
/** Large enough for the reasons, which are at the end of the verifier's log. */
const logBytes = 64 * 1024;
/** The kernel's limit of programs of one kind on a cgroup. */
const mostPrograms = 64;

/**
 * Returns a descriptor; an attached program lives on when it is closed.
 * @param instructions `struct bpf_insn`, 8 bytes each
 */
export function loadProgram(type: number, attachType: number, instructions: Uint8Array): number {
  const result = native.bpfLoad(type, attachType, instructions, null);
  if (result === EINVAL || result === EACCES || result === E2BIG) throw refused(type, attachType, instructions, result);
  return check(result, "bpf");
}

/** Loads the program again to get the verifier's log. */
function refused(type: number, attachType: number, instructions: Uint8Array, errno: number): KumiteError {
  const log = new Uint8Array(logBytes);
  const again = native.bpfLoad(type, attachType, instructions, log);
  if (again >= 0) closeQuietly(again);
  const end = log.indexOf(0);
  const lines = (decodeUtf8(log, 0, end < 0 ? log.length : end, false) ?? "").trimEnd().split("\n");
  return new KumiteError("internal", `the kernel refuses a program: ${failure(errno, "bpf").message}`, {
    data: { verifier: lines.slice(-5) },
  });
}

/** Makes it the only program of its kind attached to this cgroup itself. There is no moment without a program. */
export function setCgroupProgram(cgroupFd: number, program: number, attachType: number): void {
  const ids = new Uint32Array(mostPrograms);
  const count = check(native.bpfAttached(cgroupFd, attachType, ids), "bpf");
  if (count === 0) {
    check(native.bpfAttach(cgroupFd, program, attachType, BPF_F_ALLOW_MULTI, 0), "bpf");
    return;
  }
  const present = check(native.bpfById(ids[0] ?? 0), "bpf");
  try {
    check(native.bpfAttach(cgroupFd, program, attachType, BPF_F_ALLOW_MULTI | BPF_F_REPLACE, present), "bpf");
  } finally {
    closeQuietly(present);
  }
}
