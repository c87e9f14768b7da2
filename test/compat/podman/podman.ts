/**
 * A podman with everything of its own in one temporary directory, and the runtime under test as its runtime. Knows
 * nothing about the tests.
 */
import path from "node:path";
import { after, before } from "node:test";
import { type CommandOptions, execute, type Finished } from "../../support/command.ts";
import { expectNothingNew, guardAgainstLeftOvers, lookAtMachine, type Machine } from "../../support/left-overs.ts";
import { writeImage } from "../../support/oci-image.ts";
import { makeTestDirectory } from "../../support/test-directory.ts";
import { makeContainersHome, ownMountOf, removeContainersHome } from "../containers-home.ts";
import { absoluteRuntime, EngineClient } from "../engine-client.ts";

export const image = "localhost/kumite-test:latest";

export class Podman extends EngineClient implements AsyncDisposable {
  private constructor(
    readonly directory: string,
    environment: Readonly<Record<string, string>>,
    runtime: string,
  ) {
    super(["podman", "--runtime", runtime, "--cgroup-manager", "cgroupfs"], environment);
  }

  /** Loads the test image and runs it once, so that what podman creates at its first use and keeps exists. */
  static async open(runtime?: string): Promise<Podman> {
    const directory = makeTestDirectory("podman");
    const podman = new Podman(directory, await makeContainersHome(directory), await absoluteRuntime(runtime));
    const archive = path.join(directory, "image.tar");
    await writeImage(archive, image);
    await podman.must(["load", "--input", archive]);
    await podman.run([], ["true"]);
    return podman;
  }

  get ownMount(): string {
    return ownMountOf(this.directory);
  }

  /** `podman run --rm` without a network; flags come before the command. */
  run(flags: readonly string[], command: readonly string[], options?: CommandOptions): Promise<Finished> {
    return this.call(["run", "--rm", "--network", "none", ...flags, image, ...command], options);
  }

  /** Starts a container in the background; returns its id. */
  start(flags: readonly string[], command: readonly string[]): Promise<string> {
    return this.ask(["run", "--detach", "--network", "none", ...flags, image, ...command]);
  }

  /** One value of a container, by an `inspect` template. */
  inspect(id: string, template: string): Promise<string> {
    return this.ask(["inspect", "--format", `{{${template}}}`, id]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.call(["rm", "--all", "--force", "--time", "0"]);
    await this.call(["rmi", "--all", "--force"]);
    // podman leaves the empty parents of its cgroups.
    await execute([
      "sh",
      "-c",
      "find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -exec rmdir {} + 2>/dev/null",
    ]);
    await removeContainersHome(this.directory);
  }
}

/**
 * For a suite: opens a podman before all of its tests and closes it afterwards; neither it nor the tests may leave
 * anything.
 */
export function usePodman(take: (podman: Podman) => void): void {
  let podman: Podman;
  let start: Machine;
  before(async () => {
    podman = await Podman.open();
    start = lookAtMachine();
    take(podman);
  });
  after(async () => {
    await podman[Symbol.asyncDispose]();
    await expectNothingNew(start);
  });
  guardAgainstLeftOvers(() => ({ ignored: [podman.ownMount] }));
}
