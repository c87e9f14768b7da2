/**
 * `linux.cgroupsPath` of a specification as a path from the root of a hierarchy.
 */
import { joinPath } from "../util/path.ts";

/** Parent of what has no absolute path of its own. */
export const defaultParent = "/kumite";

/**
 * An absolute path stays, a relative one lies below `/kumite`, none is `/kumite/<id>`. systemd's form
 * `slice:prefix:name` is taken as the path systemd would give that scope; it is not asked to make one.
 */
export function cgroupPathOf(cgroupsPath: string | undefined, id: string): string {
  if (cgroupsPath === undefined || cgroupsPath === "") return `${defaultParent}/${id}`;
  const scope = /^([^:/]*\.slice|):([^:/]*):([^:/]+)$/.exec(cgroupsPath);
  if (scope !== null) {
    const [, slice = "", prefix = "", name = ""] = scope;
    const unit = prefix === "" ? `${name}.scope` : `${prefix}-${name}.scope`;
    return `${sliceDirectory(slice === "" ? "system.slice" : slice)}/${unit}`;
  }
  // Cleaned on its own first: a relative path cannot climb out of the default parent.
  const path = joinPath("/", cgroupsPath);
  if (path === "/") return `${defaultParent}/${id}`;
  return cgroupsPath.startsWith("/") ? path : `${defaultParent}${path}`;
}

/** A dash in the name of a slice is a step: `a-b.slice` lies in `a.slice`. `-.slice` is the root. */
function sliceDirectory(slice: string): string {
  const steps = slice.slice(0, -".slice".length).split("-");
  if (steps.includes("")) return slice === "-.slice" ? "" : `/${slice}`;
  return steps.map((_, index) => `/${steps.slice(0, index + 1).join("-")}.slice`).join("");
}
