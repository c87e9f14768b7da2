/** Device nodes of a container: the default ones and those of `linux.devices`. Pure. */
import { normalizePath } from "../../util/path.ts";
import type { Fields } from "./fields.ts";
import type { DevicePlan } from "./plan.ts";
import { wrong } from "./wrong.ts";

/**
 * The specification's default devices (runtime-spec, "Default Devices"), without /dev/console and /dev/ptmx, which are
 * not created as nodes.
 */
const defaultDevices: readonly DevicePlan[] = [
  character("/dev/null", 1, 3),
  character("/dev/zero", 1, 5),
  character("/dev/full", 1, 7),
  character("/dev/random", 1, 8),
  character("/dev/urandom", 1, 9),
  character("/dev/tty", 5, 0),
];

function character(path: string, major: number, minor: number): DevicePlan {
  return { path, kind: "character", major, minor, mode: 0o666, uid: 0, gid: 0 };
}

/** The largest numbers that the kernel has: 12 and 20 bits. */
const maxMajor = 0xfff;
const maxMinor = 0xf_ffff;

/** The default devices, overridden or extended by those given. */
export function readDevices(linux: Fields | undefined): DevicePlan[] {
  const devices = new Map(defaultDevices.map((device) => [device.path, device]));
  for (const fields of linux?.objects("devices") ?? []) {
    const device = readDevice(fields);
    devices.set(device.path, device);
  }
  return [...devices.values()];
}

function readDevice(fields: Fields): DevicePlan {
  const path = normalizePath(fields.absolutePath("path"));
  if (path === "/") throw wrong(fields.key("path"), "must name a file");
  const kind = deviceKind(fields);
  return {
    path,
    kind,
    major: kind === "fifo" ? 0 : number(fields, "major", maxMajor),
    minor: kind === "fifo" ? 0 : number(fields, "minor", maxMinor),
    mode: (fields.uint32("fileMode") ?? 0o666) & 0o7777,
    uid: fields.id("uid") ?? 0,
    gid: fields.id("gid") ?? 0,
  };
}

function deviceKind(fields: Fields): DevicePlan["kind"] {
  const type = fields.requiredText("type");
  switch (type) {
    case "c":
    case "u":
      return "character";
    case "b":
      return "block";
    case "p":
      return "fifo";
    default:
      throw wrong(fields.key("type"), `must be c, u, b or p, not ${JSON.stringify(type)}`);
  }
}

function number(fields: Fields, name: string, max: number): number {
  const value = fields.integer(name, 0, max);
  if (value === undefined) throw wrong(fields.key(name), "is missing");
  return value;
}
