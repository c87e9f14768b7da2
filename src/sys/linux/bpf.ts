/** eBPF programs on cgroups (version 2). */
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
/** Enough for what is wrong with a program, which stands at its end. */
const logBytes = 64 * 1024;
/** Of a kind on one cgroup; the kernel's limit. */
const mostPrograms = 64;

/** `instructions`: `struct bpf_insn`, 8 bytes each. Returns a descriptor; what is attached lives without it. */
export function loadProgram(type: number, attachType: number, instructions: Uint8Array): number {
  const result = native.bpfLoad(type, attachType, instructions, null);
  if (result === EINVAL || result === EACCES || result === E2BIG) throw refused(type, attachType, instructions, result);
  return check(result, "bpf");
}

/** Asks again for the verifier's reasons. */
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

/** Makes it the only program of its kind that is attached to this cgroup itself; at no time there is none. */
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
