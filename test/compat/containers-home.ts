/**
 * One directory with everything that podman and buildah keep: storage, state, configuration. Knows neither of them.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { execute } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { plainEnvironment } from "./engine-client.ts";

/** Writes the configuration into an existing directory; the environment that makes the programs use it. */
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
  // Raising limits needs a capability that not every host gives to root, so the defaults stay below what there is.
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

/** A mount of the storage on itself, which comes and goes, as the look for left-overs shows it. */
export function ownMountOf(directory: string): string {
  return path.join(directory, "storage/overlay (");
}

export async function removeContainersHome(directory: string): Promise<void> {
  // Again while a podman that cleans up after a container mounts it anew.
  await eventually("the storage is removed", async () => {
    await execute(["umount", path.join(directory, "storage/overlay")]);
    return rm(directory, { recursive: true, force: true }).then(
      () => true,
      () => undefined,
    );
  });
}
