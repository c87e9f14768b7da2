/** Computes the path of a container's cgroup in the guest's hierarchy. Pure. */
import { normalizePath } from "../../util/path.ts";
import { wrong } from "./wrong.ts";

/**
 * The agent's own cgroup. It is a leaf, because a cgroup with controllers for its children cannot have processes
 * itself.
 */
export const agentCgroup = "/agent";

/** A cgroup created in advance. The first container gets it, whatever path it asks for. */
export const readyCgroup = "/ready";

/**
 * Reads `linux.cgroupsPath`. An absolute path starts at the root of the hierarchy, a relative one at `/kumite`; the
 * default is `/kumite/<id>`. systemd's `slice:prefix:name` becomes `/<slice>/<prefix>-<name>.scope`.
 */
export function readCgroupPath(cgroupsPath: string | undefined, containerId: string): string {
  const key = "linux.cgroupsPath";
  if (cgroupsPath === undefined || cgroupsPath === "") return `/kumite/${containerId}`;
  const path = fromSystemd(cgroupsPath) ?? (cgroupsPath.startsWith("/") ? cgroupsPath : `/kumite/${cgroupsPath}`);
  if (path.split("/").includes("..")) throw wrong(key, `must not contain "..": ${JSON.stringify(cgroupsPath)}`);
  const normal = normalizePath(path);
  if (normal === "/") throw wrong(key, "must not be the root of the hierarchy");
  for (const own of [agentCgroup, readyCgroup]) {
    if (normal === own || normal.startsWith(`${own}/`))
      throw wrong(key, `must not be in the agent's own cgroup ${own}`);
  }
  return normal;
}

function fromSystemd(cgroupsPath: string): string | undefined {
  const parts = cgroupsPath.split(":");
  if (parts.length !== 3 || cgroupsPath.includes("/")) return undefined;
  const [slice, prefix, name] = parts as [string, string, string];
  const unit = name.endsWith(".slice") ? name : `${prefix === "" ? "" : `${prefix}-`}${name}.scope`;
  return `/${slice === "" ? "system.slice" : slice}/${unit}`;
}
