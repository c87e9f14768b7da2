/**
 * A podman with everything of its own in one temporary directory (storage, state, configuration) and the runtime under
 * test as its runtime. Knows nothing of what the tests do with it.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { begin, type CommandOptions, describe, execute, type Finished, type Running } from "../../support/command.ts";
import { eventually } from "../../support/eventually.ts";
import { writeImage } from "../../support/oci-image.ts";
import { runtimePath } from "../../support/workplace.ts";

export const image = "localhost/kumite-test:latest";

export class Podman implements AsyncDisposable {
  private constructor(
    readonly directory: string,
    private readonly environment: Record<string, string>,
    private readonly runtime: string,
  ) {}

  /** Loads the test image and runs it once, so that what podman makes at its first use and keeps is there. */
  static async open(runtime = runtimePath): Promise<Podman> {
    const directory = await mkdtemp(path.join(os.tmpdir(), "kumite-podman-"));
    const podman = new Podman(directory, await configure(directory), await absolute(runtime));
    const archive = path.join(directory, "image.tar");
    await writeImage(archive, image);
    await podman.must(["load", "--input", archive]);
    await podman.run([], ["true"]);
    return podman;
  }

  /** A mount of its storage on itself, which comes and goes. */
  get ownMount(): string {
    return path.join(this.directory, "storage/overlay (");
  }

  argv(args: readonly string[]): string[] {
    return ["podman", "--runtime", this.runtime, "--cgroup-manager", "cgroupfs", ...args];
  }

  call(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
    return execute(this.argv(args), { ...options, env: this.environment });
  }

  begin(args: readonly string[], options: CommandOptions = {}): Running {
    return begin(this.argv(args), { ...options, env: this.environment });
  }

  async must(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
    const finished = await this.call(args, options);
    if (finished.status !== 0) throw new Error(describe(finished));
    return finished;
  }

  /** `podman run --rm` without a network; flags come before the command. */
  run(flags: readonly string[], command: readonly string[], options?: CommandOptions): Promise<Finished> {
    return this.call(["run", "--rm", "--network", "none", ...flags, image, ...command], options);
  }

  /** A container in the background; its id. */
  async start(flags: readonly string[], command: readonly string[]): Promise<string> {
    const { stdout } = await this.must(["run", "--detach", "--network", "none", ...flags, image, ...command]);
    return stdout.trim();
  }

  /** Environment for programs that call podman themselves. */
  get env(): Record<string, string> {
    return this.environment;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.call(["rm", "--all", "--force", "--time", "0"]);
    await this.call(["rmi", "--all", "--force"]);
    // What podman keeps for itself: its storage bind-mounted on itself, and empty parents of its cgroups.
    await execute([
      "sh",
      "-c",
      "find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -exec rmdir {} + 2>/dev/null",
    ]);
    // Again while a podman that cleans up after a container mounts it anew.
    await eventually("podman's storage is removed", async () => {
      await execute(["umount", path.join(this.directory, "storage/overlay")]);
      return rm(this.directory, { recursive: true, force: true }).then(
        () => true,
        () => undefined,
      );
    });
  }
}

async function configure(directory: string): Promise<Record<string, string>> {
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
    PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: directory,
    CONTAINERS_CONF: containers,
    CONTAINERS_STORAGE_CONF: storage,
    TMPDIR: os.tmpdir(),
    TERM: "xterm",
  };
}

async function absolute(runtime: string): Promise<string> {
  return (await execute(["sh", "-c", `command -v "$0"`, runtime])).stdout.trim();
}
