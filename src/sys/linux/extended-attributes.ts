/** Extended attributes (xattr(7)). */
import { setxattr } from "kumite:native";
import { check } from "./check.ts";

const nothing = new Uint8Array(0);

/** Sets the attribute to an empty value. */
export function setAttribute(path: string, name: string): void {
  check(setxattr(path, name, nothing, 0, 0, 0), "setxattr", path);
}
