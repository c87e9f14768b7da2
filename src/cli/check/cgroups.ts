/** Checks whether sandboxes can have cgroups here: a mounted hierarchy in which groups can be created. */
import { type Hierarchy, hierarchiesIn } from "../../cgroups/hierarchies.ts";
import type { Os } from "../../sys/os.ts";
import { isSystemError, messageOf } from "../../util/errors.ts";
import { type Finding, missing, note, ok } from "./finding.ts";

const wanted = ["cpu", "memory", "pids"];

export async function checkCgroups(os: Os): Promise<Finding> {
  const hierarchies = hierarchiesIn(await os.mounts.table());
  if (hierarchies.length === 0) {
    const remedy = "mount -t cgroup2 cgroup2 /sys/fs/cgroup";
    return missing("cgroups", "no cgroup hierarchy with a needed controller is mounted", remedy);
  }
  for (const { directory } of hierarchies) {
    const failure = await makesGroup(os, directory);
    if (failure === undefined) continue;
    const remedy = "run kumite where /sys/fs/cgroup is writable: on the host, or in a container with --privileged";
    return missing("cgroups", `no cgroup can be created in ${directory}: ${failure}`, remedy);
  }
  const versions = [...new Set(hierarchies.map(({ version }) => version))].sort().join(" and ");
  const lacking = await lackingControllers(os, hierarchies);
  if (lacking.length === 0) return ok("cgroups", `version ${versions}`);
  return note(
    "cgroups",
    `lack the controllers ${lacking.join(", ")}, which therefore neither limit nor measure VMs`,
    "enable them in the host's kernel; for memory, boot with cgroup_enable=memory",
  );
}

async function makesGroup(os: Os, directory: string): Promise<string | undefined> {
  const group = `${directory}/kumite-check-${os.self.pid}`;
  try {
    await os.files.makeDir(group, 0o755);
    await os.files.removeDir(group);
    return undefined;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return messageOf(error);
  }
}

/** Version 1 shows controllers as mount options, version 2 as a list in a file. */
async function lackingControllers(os: Os, hierarchies: readonly Hierarchy[]): Promise<string[]> {
  const options = (await os.mounts.table()).filter(({ type }) => type === "cgroup").flatMap((mount) => mount.options);
  const unified = hierarchies.find(({ version }) => version === 2);
  const listed = unified === undefined ? "" : await os.files.readText(`${unified.directory}/cgroup.controllers`);
  const present = new Set([...options, ...listed.trim().split(/\s+/)]);
  return wanted.filter((controller) => !present.has(controller));
}
