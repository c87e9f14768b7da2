/** User, groups and capabilities of this process. */
import * as native from "kumite:native";
import { check } from "./check.ts";

export function getuid(): number {
  return native.getuid();
}

export function geteuid(): number {
  return native.geteuid();
}

/** Sets real, effective and saved id. */
export function setuid(uid: number): void {
  check(native.setresuid(uid, uid, uid), "setuid");
}

/** Sets real, effective and saved id. */
export function setgid(gid: number): void {
  check(native.setresgid(gid, gid, gid), "setgid");
}

/** Sets the user whose rights apply to file access and who owns new files. The call does not report a refusal. */
export function setfsuid(uid: number): void {
  native.setfsuid(uid);
}

export function setfsgid(gid: number): void {
  native.setfsgid(gid);
}

/** securebits: changing user ids does not change capabilities. */
export const SECBIT_NO_SETUID_FIXUP = 1 << 2;

export function setgroups(groups: readonly number[]): void {
  check(native.setgroups(Uint32Array.from(groups)), "setgroups");
}

/** Sets of capabilities as bit masks, bit n for capability n. */
export interface CapabilitySets {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
const low = 0xffffffffn;

function header(): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, LINUX_CAPABILITY_VERSION_3, true);
  return bytes;
}

/** Two struct __user_cap_data_struct {u32 effective, permitted, inheritable}: the low and the high 32 bits. */
export function encodeCapabilities(sets: CapabilitySets): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  [sets.effective, sets.permitted, sets.inheritable].forEach((set, i) => {
    view.setUint32(4 * i, Number(set & low), true);
    view.setUint32(12 + 4 * i, Number((set >> 32n) & low), true);
  });
  return bytes;
}

export function decodeCapabilities(bytes: Uint8Array): CapabilitySets {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const at = (i: number): bigint =>
    BigInt(view.getUint32(4 * i, true)) | (BigInt(view.getUint32(12 + 4 * i, true)) << 32n);
  return { effective: at(0), permitted: at(1), inheritable: at(2) };
}

/** The capabilities of this process. */
export function capget(): CapabilitySets {
  const data = new Uint8Array(24);
  check(native.capget(header(), data), "capget");
  return decodeCapabilities(data);
}

/** `capset` as a step between a child's fork and its exec. */
export function capsetStep(sets: CapabilitySets): native.SpawnStep {
  return ["capset", header(), encodeCapabilities(sets)];
}

export function capset(sets: CapabilitySets): void {
  check(native.capset(header(), encodeCapabilities(sets)), "capset");
}

/**
 * Removes capabilities, a bit mask, from the bounding set. One native call, since there are some forty of them and
 * every process needs it.
 */
export function dropBounding(capabilities: bigint): void {
  check(native.dropBounding(Number(capabilities & low), Number((capabilities >> 32n) & low)), "prctl");
}
