/** Calls that affect the whole system: names, kernel modules, power. */
import * as native from "kumite:native";
import { check } from "./check.ts";
import { closeQuietly, open } from "./file.ts";
import { O_CLOEXEC, O_RDONLY } from "./open-flags.ts";

export interface KernelNames {
  readonly system: string;
  readonly host: string;
  readonly release: string;
  readonly version: string;
  readonly machine: string;
}

/** struct new_utsname: six strings of 65 bytes. */
export function uname(): KernelNames {
  const bytes = new Uint8Array(6 * 65);
  check(native.uname(bytes), "uname");
  const text = (i: number): string => {
    const end = bytes.indexOf(0, i * 65);
    return native.decodeUtf8(bytes, i * 65, end - i * 65, false) ?? "";
  };
  return { system: text(0), host: text(1), release: text(2), version: text(3), machine: text(4) };
}

/** Limits the memory of this program's JavaScript to a quarter of the system's, but within these bounds. */
export function limitMemory(mostBytes: number, leastBytes: number): void {
  native.limitMemory(mostBytes, leastBytes);
}

/** Collects garbage now, and not again before `roomBytes` more are in use. */
export function collectGarbage(roomBytes: number): void {
  native.collectGarbage(roomBytes);
}

export function sethostname(name: string): void {
  const bytes = new TextEncoder().encode(name);
  check(native.sethostname(bytes, 0, bytes.length), "sethostname", name);
}

export function setdomainname(name: string): void {
  const bytes = new TextEncoder().encode(name);
  check(native.setdomainname(bytes, 0, bytes.length), "setdomainname", name);
}

/** Loads a kernel module; EEXIST when it is loaded already. */
export function loadModule(path: string, parameters = ""): void {
  const fd = open(path, O_RDONLY | O_CLOEXEC);
  try {
    loadOpenModule(fd, path, parameters);
  } finally {
    closeQuietly(fd);
  }
}

/** @param subject for errors */
export function loadOpenModule(fd: number, subject: string, parameters = ""): void {
  check(native.finit_module(fd, parameters, 0), "finit_module", subject);
}

const REBOOT_MAGIC1 = 0xfee1dead;
const REBOOT_MAGIC2 = 672274793;
export const REBOOT_POWER_OFF = 0x4321fedc;

/** Ends the system at once. Nothing is written back, so call `sync` first. */
export function reboot(command: number): void {
  check(native.reboot(REBOOT_MAGIC1, REBOOT_MAGIC2, command, null), "reboot");
}

/**
 * Swaps to a disk.
 * @param path a disk prepared by mkswap
 */
export function swapOn(path: string): void {
  check(native.swapon(path, 0), "swapon", path);
}

/** Writes back all file systems. */
export function sync(): void {
  native.sync();
}
