/**
 * A dockerd with everything of its own: storage, state, sockets, mount and network namespace. The runtime under test is
 * its runtime. Knows nothing about the tests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { makeTree } from "../../support/bundle.ts";
import { type CommandOptions, execute, type Finished, succeed } from "../../support/command.ts";
import { eventually } from "../../support/eventually.ts";
import { makeTestDirectory } from "../../support/test-directory.ts";
import { absoluteRuntime, EngineClient, plainEnvironment } from "../engine-client.ts";

/** Debian's client, whatever else is on the path. */
const client = "/usr/bin/docker";
const daemon = "/usr/sbin/dockerd";
export const image = "kumite-test";
const cgroupParent = "/kumite-docker";
const daemonStartMs = 180_000;

export class Docker extends EngineClient implements AsyncDisposable {
  private running: ChildProcess | undefined;

  private constructor(
    readonly directory: string,
    /** Holds the namespaces, which stay the same when the daemon is restarted. */
    private readonly holder: ChildProcess,
  ) {
    super([client, "--host", `unix://${directory}/socket`], plainEnvironment(directory));
  }

  static async open(): Promise<Docker> {
    const directory = makeTestDirectory("docker");
    const holder = await holdNamespaces();
    const docker = new Docker(directory, holder);
    try {
      await writeFile(docker.path("daemon.json"), JSON.stringify(await configuration(directory)));
      await docker.startDaemon();
      await docker.import();
      // Makes the daemon create what it keeps after its first container.
      await docker.must(["run", "--rm", "--network", "none", image, "true"]);
      return docker;
    } catch (error) {
      await docker[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `docker run --rm` without a network; flags come before the command. */
  run(flags: readonly string[], command: readonly string[], options?: CommandOptions): Promise<Finished> {
    return this.call(["run", "--rm", "--network", "none", ...flags, image, ...command], options);
  }

  /** Starts a container in the background; returns its id. */
  start(flags: readonly string[], command: readonly string[]): Promise<string> {
    return this.ask(["run", "--detach", "--network", "none", ...flags, image, ...command]);
  }

  async startDaemon(): Promise<void> {
    const log = openSync(this.path("log"), "a");
    const argv = [
      "--target",
      String(this.holder.pid),
      "--mount",
      "--net",
      daemon,
      "--config-file",
      this.path("daemon.json"),
    ];
    const running = spawn("nsenter", argv, { stdio: ["ignore", log, log], env: this.env });
    closeSync(log);
    this.running = running;
    await eventually(
      "dockerd answers",
      async () => {
        if (running.exitCode !== null) throw new Error(`dockerd ended: ${await this.complaint()}`);
        return (await this.call(["version"])).status === 0 ? true : undefined;
      },
      daemonStartMs,
    );
  }

  /** Ends the daemon like an administrator; containers continue if it was configured so (`live-restore`). */
  async stopDaemon(): Promise<void> {
    const running = this.running;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, "exit");
    running.kill("SIGTERM");
    const impatience = setTimeout(() => running.kill("SIGKILL"), 120_000);
    await ended.finally(() => clearTimeout(impatience));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const containers = (await this.call(["ps", "--all", "--quiet"])).stdout.split("\n").filter((id) => id !== "");
    if (containers.length > 0) await this.call(["rm", "--force", ...containers]);
    await this.stopDaemon();
    const held = once(this.holder, "exit");
    this.holder.kill("SIGKILL");
    await held;
    await execute([
      "sh",
      "-c",
      `find /sys/fs/cgroup -depth -type d -path '*${cgroupParent}*' -exec rmdir {} + 2>/dev/null`,
    ]);
    await rm(this.directory, { recursive: true, force: true });
  }

  private path(name: string): string {
    return path.join(this.directory, name);
  }

  /** docker 20.10 does not load OCI layouts, so the directory tree itself becomes the image. */
  private async import(): Promise<void> {
    const tree = this.path("tree");
    await makeTree(tree);
    await succeed(["tar", "-C", tree, "-cf", this.path("image.tar"), "."]);
    await this.must(["import", "--change", "ENV PATH=/usr/bin:/bin", this.path("image.tar"), image]);
  }

  private async complaint(): Promise<string> {
    return (await readFile(this.path("log"), "utf8")).split("\n").slice(-10).join("\n");
  }
}

async function configuration(directory: string): Promise<Record<string, unknown>> {
  return {
    "data-root": path.join(directory, "data"),
    "exec-root": path.join(directory, "exec"),
    pidfile: path.join(directory, "pid"),
    hosts: [`unix://${directory}/socket`],
    "storage-driver": "overlay2",
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "cgroup-parent": cgroupParent,
    iptables: false,
    ip6tables: false,
    bridge: "none",
    "live-restore": true,
    "shutdown-timeout": 5,
    runtimes: { tested: { path: await absoluteRuntime() } },
    "default-runtime": "tested",
  };
}

/** The daemon's mounts and its changes of the network are in namespaces that end with this process. */
async function holdNamespaces(): Promise<ChildProcess> {
  const holder = spawn("unshare", ["--mount", "--net", "sh", "-c", "echo ready; exec sleep infinity"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  return holder;
}
