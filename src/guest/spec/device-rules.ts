/**
 * Reads the devices that a container may use: those of `linux.resources.devices` and those that every container may
 * use. Pure.
 */
import { accessBits, anyAccess } from "./device-access.ts";
import type { Fields } from "./fields.ts";
import type { DeviceRule } from "./plan.ts";
import { wrong } from "./wrong.ts";

/**
 * The same as in runc. They come last, so that no other rule can override them. Any node may be created with mknod, but
 * not opened. Of the specification's default devices, /dev/console is missing: a container's console is its own
 * terminal, while that device number is the VM's console.
 */
const defaults: readonly DeviceRule[] = [
  ...[3, 5, 7, 8, 9].map((minor) => character(1, minor)),
  character(5, 0),
  character(5, 2),
  character(136, undefined),
  { allow: true, kind: "any", major: undefined, minor: undefined, access: accessBits.m ?? 0 },
];

function character(major: number, minor: number | undefined): DeviceRule {
  return { allow: true, kind: "character", major, minor, access: anyAccess };
}

/** In order: the last rule that matches a device and access decides. Without a match, access is refused. */
export function readDeviceRules(resources: Fields | undefined): DeviceRule[] {
  return [...(resources?.objects("devices") ?? []).map(readRule), ...defaults];
}

function readRule(fields: Fields): DeviceRule {
  return {
    allow: fields.flag("allow"),
    kind: kindOf(fields),
    major: numberOf(fields, "major"),
    minor: numberOf(fields, "minor"),
    access: accessOf(fields),
  };
}

function kindOf(fields: Fields): DeviceRule["kind"] {
  const type = fields.text("type") ?? "";
  switch (type) {
    case "":
    case "a":
      return "any";
    case "c":
      return "character";
    case "b":
      return "block";
    default:
      throw wrong(fields.key("type"), `must be a, b or c, not ${JSON.stringify(type)}`);
  }
}

/** A missing or negative number means all. */
function numberOf(fields: Fields, name: string): number | undefined {
  const value = fields.integer(name, -(2 ** 63), 0xffff_ffff);
  return value === undefined || value < 0 ? undefined : value;
}

function accessOf(fields: Fields): number {
  const letters = fields.requiredText("access");
  let access = 0;
  for (const letter of letters) {
    const bit = Object.hasOwn(accessBits, letter) ? accessBits[letter] : undefined;
    if (bit === undefined)
      throw wrong(fields.key("access"), `must consist of the letters r, w and m, not ${JSON.stringify(letters)}`);
    access |= bit;
  }
  return access;
}
