/** One directory with everything that podman and buildah store: images, state, configuration. Knows neither of them. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { execute } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { plainEnvironment } from "./engine-client.ts";

/** Writes the configuration into an existing directory. Returns the environment that makes the programs use it. */
export async function makeContainersHome(directory: string): Promise<Record<string, string>> {
  const places = Object.fromEntries(
    ["storage", "run", "tmp", "volumes"].map((name) => [name, path.join(directory, name)]),
  );
  for (const place of Object.values(places)) await mkdir(place, { recursive: true });
  const storage = path.join(directory, "storage.conf");
  await writeFile(
    storage,
    `[storage]\ndriver = "overlay"\ngraphroot = "${places.storage}"\nrunroot = "${places.run}"\n`,
  );
  const containers = path.join(directory, "containers.conf");
  // Raising limits needs a capability that root does not have on every host, so the defaults stay below the current
  // limits.
  await writeFile(
    containers,
    `[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "${places.tmp}"
volume_path = "${places.volumes}"
`,
  );
  await mkdir(path.join(directory, ".config/containers"), { recursive: true });
  await writeFile(
    path.join(directory, ".config/containers/policy.json"),
    JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }),
  );
  return {
    ...plainEnvironment(directory),
    CONTAINERS_CONF: containers,
    CONTAINERS_STORAGE_CONF: storage,
    TMPDIR: os.tmpdir(),
  };
}

/** The storage mounts itself on itself from time to time: this mount as the guard against left-overs prints it. */
export function ownMountOf(directory: string): string {
  return path.join(directory, "storage/overlay (");
}

export async function removeContainersHome(directory: string): Promise<void> {
  // Retried, because a podman that cleans up after a container may mount it again.
  await eventually("the storage is removed", async () => {
    await execute(["umount", path.join(directory, "storage/overlay")]);
    return rm(directory, { recursive: true, force: true }).then(
      () => true,
      () => undefined,
    );
  });
}
