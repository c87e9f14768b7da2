/**
 * A real agent for tests on the small engine: in namespaces of its own, as the process driver starts it, with the
 * host's end of its channel and a root file system of busybox. Needs root.
 */
import type { AgentClient } from "../../agent-client/agent-client.ts";
import { connectAgent } from "../../agent-client/connect.ts";
import { output, type Scratch, scratch } from "../../sys/contract/scratch.ts";
import { engineOs } from "../../sys/engine/engine-os.ts";
import { SIGKILL } from "../../sys/linux/signal.ts";
import type { ChildProcess } from "../../sys/os.ts";
import { toHex } from "../../util/hex.ts";
import { guestShared } from "./spec.testing.ts";

export const os = engineOs();

const never = new AbortController().signal;

export interface TestAgent extends AsyncDisposable {
  readonly client: AgentClient;
  /** Directory on the host that the containers' root file systems are in; the agent sees it as `guestShared`. */
  readonly shared: string;
  readonly child: ChildProcess;
  /** Everything that a container could leave behind: mounts, cgroups, processes, descriptors, directories. */
  state(): Promise<AgentState>;
  log(): Promise<string>;
}

export interface AgentState {
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  /** Names of the processes in the agent's pid namespace. */
  readonly processes: readonly string[];
  readonly descriptors: number;
  readonly directories: readonly string[];
}

/** Starts an agent with a sandbox, and the root file system of busybox at `<guestShared>/box/rootfs`. */
export async function startAgent({ guestHookPath = "" } = {}): Promise<TestAgent> {
  const directory = await scratch(os);
  const cgroup = await testCgroup();
  await os.files.makeDirs(`${directory.path}/shared/box/rootfs`, 0o755);
  await makeRootfs(`${directory.path}/shared/box/rootfs`);
  // Shared, as on the host, so that later mounts below propagate to the agent.
  await os.mounts.mount({ source: `${directory.path}/shared`, target: `${directory.path}/shared`, flags: ["bind"] });
  await os.mounts.mount({ target: `${directory.path}/shared`, flags: ["shared"] });
  const child = await os.processes.spawn({
    path: os.self.executable,
    argv: ["agent", "--process", "--channel-fd", "3"],
    env: {},
    descriptors: {
      2: { kind: "append", path: `${directory.path}/log`, mode: 0o600 },
      3: { kind: "stream" },
    },
    cgroups: [cgroup],
  });
  const channel = child.streams.get(3);
  if (channel === undefined) throw new Error("no channel");
  const client = await connectAgent(channel, { signal: never, timeoutMs: 60_000 });
  const shared = `${directory.path}/shared`;
  const storage = { driver: "bind", source: shared, mountPoint: guestShared, options: ["rbind"] };
  await client.createSandbox({ hostname: "sandbox", sandboxId: "test", storages: [storage], guestHookPath });
  return new RunningAgent(client, child, directory, cgroup);
}

class RunningAgent implements TestAgent {
  readonly client: AgentClient;
  readonly child: ChildProcess;
  readonly shared: string;
  readonly #directory: Scratch;
  readonly #cgroup: string;

  constructor(client: AgentClient, child: ChildProcess, directory: Scratch, cgroup: string) {
    this.client = client;
    this.child = child;
    this.shared = `${directory.path}/shared`;
    this.#directory = directory;
    this.#cgroup = cgroup;
  }

  async state(): Promise<AgentState> {
    const pid = await output(os, `cat /proc/${this.child.pid}/task/*/children`);
    const first = pid.trim().split(" ")[0] ?? "";
    const lines = async (script: string): Promise<string[]> => {
      const text = await output(os, script);
      return text === "" ? [] : text.split("\n");
    };
    return {
      mounts: await lines(`awk '$5 !~ "^/host" {print $5}' /proc/${first}/mountinfo | sort`),
      cgroups: await lines(`cd ${this.#cgroup} && find . -mindepth 1 -type d | sort`),
      processes: await lines(
        `for p in $(find ${this.#cgroup} -name cgroup.procs -exec cat {} +); do cat /proc/$p/comm; done | sort`,
      ),
      descriptors: (await lines(`ls /proc/${first}/fd`)).length,
      directories: await lines(`cd /proc/${first}/root/run && find . -xdev | sort`),
    };
  }

  log(): Promise<string> {
    return os.files.readText(`${this.#directory.path}/log`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.child.kill(SIGKILL);
    await this.child.exited;
    await output(os, `while ! find ${this.#cgroup} -depth -type d -exec rmdir {} + 2>/dev/null; do :; done`);
    await os.mounts.unmount(this.shared);
    await this.#directory[Symbol.asyncDispose]();
  }
}

async function testCgroup(): Promise<string> {
  const hierarchy = (await os.mounts.table()).find(({ type }) => type === "cgroup2");
  if (hierarchy === undefined) throw new Error("this host has no version 2 hierarchy");
  const name = toHex(os.random(6));
  const path = `${hierarchy.target}/kumite-test-${name}`;
  await os.files.makeDir(path, 0o755);
  return path;
}

const users = "root:x:0:0:root:/root:/bin/sh\njoe:x:1000:1000::/home/joe:/bin/sh\n";

async function makeRootfs(path: string): Promise<void> {
  await output(
    os,
    `set -e; cd "$1"; mkdir bin etc tmp root; cp /bin/busybox bin/; chmod 1777 tmp
     for name in $(bin/busybox --list); do [ -e bin/$name ] || ln -s busybox bin/$name; done`,
    { args: [path] },
  );
  await os.files.write(`${path}/etc/passwd`, users, { mode: 0o644 });
}
