/** The guard that all suites rely on must detect each kind of left-over, and must not report what existed before. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, rmdir, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { succeed } from "./command.ts";
import { eventually } from "./eventually.ts";
import { expectNothingNew, type LeftOver, lookAtMachine, newSince } from "./left-overs.ts";
import { makeTestDirectory } from "./test-directory.ts";

const needsRoot = { skip: process.getuid?.() === 0 ? false : "needs root" };

describe("the guard against left-overs", () => {
  let directory: string;
  const watch = () => ({ directories: [directory], settleMs: 0 });

  before(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), "look-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  /** Creates something, expects it to be reported as that kind, removes it, and expects no report. */
  async function seen(
    kind: LeftOver["kind"],
    make: () => Promise<string>,
    unmake: () => Promise<unknown>,
  ): Promise<void> {
    const start = lookAtMachine(watch());
    const name = await make();
    try {
      const found = await eventually(
        `${name} is seen`,
        () => newSince(start, lookAtMachine(watch())).find((left) => left.kind === kind && left.what.includes(name)),
        60_000,
      );
      assert.ok(found);
      await assert.rejects(
        expectNothingNew(start, watch()),
        new RegExp(`left behind:\\n[\\s\\S]*${kind}: [\\s\\S]*${name}`),
      );
    } finally {
      await unmake();
    }
    await expectNothingNew(start, { ...watch(), settleMs: 30_000 });
  }

  it("sees a process by its title", async () => {
    let child: ChildProcess | undefined;
    await seen(
      "process",
      async () => {
        child = spawn("sleep", ["60"], { argv0: "kumite-look", stdio: "ignore" });
        return "kumite-look";
      },
      async () => child?.kill("SIGKILL"),
    );
  });

  it("sees a process by a watched directory in its arguments", async () => {
    let child: ChildProcess | undefined;
    await seen(
      "process",
      async () => {
        child = spawn("tail", ["-f", "/dev/null", path.join(directory, "nothing")], { stdio: "ignore" });
        return path.join(directory, "nothing");
      },
      async () => child?.kill("SIGKILL"),
    );
  });

  it("sees a mount", needsRoot, async () => {
    const target = path.join(directory, "mount");
    await seen(
      "mount",
      async () => {
        await mkdir(target);
        await succeed(["mount", "-t", "tmpfs", "tmpfs", target]);
        return target;
      },
      async () => {
        await succeed(["umount", target]);
        await rmdir(target);
      },
    );
  });

  it("sees a cgroup", needsRoot, async () => {
    const hierarchy = await eventually("a cgroup hierarchy", () =>
      ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].find((place) => lookable(place)),
    );
    const cgroup = path.join(hierarchy, `kumite-look-${process.pid}`);
    await seen(
      "cgroup",
      async () => {
        await mkdir(cgroup);
        return cgroup;
      },
      () => rmdir(cgroup),
    );
  });

  it("sees a network namespace", needsRoot, async () => {
    const name = `look-${process.pid}`;
    await seen(
      "network namespace",
      async () => {
        await succeed(["ip", "netns", "add", name]);
        return name;
      },
      () => succeed(["ip", "netns", "delete", name]),
    );
  });

  it("sees a network interface", needsRoot, async () => {
    const name = `look${process.pid % 100000}`;
    await seen(
      "network interface",
      async () => {
        await succeed(["ip", "tuntap", "add", name, "mode", "tap"]).catch(() =>
          succeed(["ip", "link", "add", name, "type", "veth"]),
        );
        return name;
      },
      () => succeed(["ip", "link", "delete", name]),
    );
  });

  it("sees a unix socket, even without its file", async () => {
    const server = net.createServer();
    const socket = path.join(directory, "socket");
    await seen(
      "unix socket",
      async () => {
        await new Promise<void>((resolve) => server.listen(socket, resolve));
        await rm(socket);
        return socket;
      },
      () => new Promise((resolve) => server.close(resolve)),
    );
  });

  it("sees a file, below a watched directory and in shared memory", async () => {
    for (const file of [
      path.join(directory, "a"),
      `/dev/shm/kumite-look-${process.pid}`,
      `/tmp/kumite-look-${process.pid}`,
    ]) {
      await seen(
        "file",
        async () => {
          await writeFile(file, "");
          return file;
        },
        () => rm(file),
      );
    }
  });

  it("does not report the helpers that its own process has compiled", async () => {
    const start = lookAtMachine(watch());
    const own = makeTestDirectory("helpers");
    const foreign = makeTestDirectory("helpers", 1);
    try {
      assert.deepEqual(
        newSince(start, lookAtMachine(watch())).map(({ what }) => what),
        [foreign],
      );
    } finally {
      await Promise.all([own, foreign].map((path) => rm(path, { recursive: true })));
    }
  });
});

function lookable(place: string): boolean {
  return (
    lookAtMachine().mount.size > 0 && [...lookAtMachine().mount.values()].some((m) => m.startsWith(`${place} (cgroup`))
  );
}
