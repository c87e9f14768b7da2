/** Converts `linux.cgroupsPath` of a specification to a path from the root of a hierarchy. */
import { joinPath } from "../util/path.ts";

/** Parent of cgroups without an absolute path. */
export const defaultParent = "/kumite";

/**
 * An absolute path is kept, a relative one is below `/kumite`, and a missing one is `/kumite/<id>`. systemd's form
 * `slice:prefix:name` gives the path that systemd would use for that scope; systemd itself is not involved.
 */
export function cgroupPathOf(cgroupsPath: string | undefined, id: string): string {
  if (cgroupsPath === undefined || cgroupsPath === "") return `${defaultParent}/${id}`;
  const scope = /^([^:/]*\.slice|):([^:/]*):([^:/]+)$/.exec(cgroupsPath);
  if (scope !== null) {
    const [, slice = "", prefix = "", name = ""] = scope;
    const unit = prefix === "" ? `${name}.scope` : `${prefix}-${name}.scope`;
    return `${sliceDirectory(slice === "" ? "system.slice" : slice)}/${unit}`;
  }
  // Normalized separately first, so that a relative path cannot climb out of the default parent.
  const path = joinPath("/", cgroupsPath);
  if (path === "/") return `${defaultParent}/${id}`;
  return cgroupsPath.startsWith("/") ? path : `${defaultParent}${path}`;
}

/** A dash in a slice's name is a level: `a-b.slice` is in `a.slice`. `-.slice` is the root. */
function sliceDirectory(slice: string): string {
  const steps = slice.slice(0, -".slice".length).split("-");
  if (steps.includes("")) return slice === "-.slice" ? "" : `/${slice}`;
  return steps.map((_, index) => `/${steps.slice(0, index + 1).join("-")}.slice`).join("");
}
