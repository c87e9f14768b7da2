import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, rmdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { ChildProcess, MountEntry } from "../sys/os.ts";
import { SystemError } from "../util/errors.ts";
import type { Step } from "./step.ts";
import { undoAll } from "./undo.ts";

const os = testOs();
const killed = { kind: "signalled", signal: 9 } as const;

describe("undoing a step", () => {
  let place: string;

  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-undo-"));
  });
  afterEach(async () => {
    const mounts = (await os.mounts.table()).filter(({ target }) => target.startsWith(place));
    assert.deepEqual(mounts, []);
    await rm(place, { recursive: true });
  });

  /** Undoes the steps twice; the second time must find nothing to do. */
  async function undoTwice(...steps: Step[]): Promise<void> {
    assert.deepEqual(await undoAll(os, steps), []);
    assert.deepEqual(await undoAll(os, steps), []);
  }

  async function directory(name: string): Promise<string> {
    const made = path.join(place, name);
    await mkdir(made, { recursive: true });
    return made;
  }

  async function mountsAt(target: string): Promise<MountEntry[]> {
    return (await os.mounts.table()).filter((mount) => mount.target === target);
  }

  function sleeper(cgroups: readonly string[] = []): Promise<ChildProcess> {
    return os.processes.spawn({ path: "/bin/sleep", argv: ["sleep", "1000"], env: {}, descriptors: {}, cgroups });
  }

  it("removes a directory with its content, and follows no link out of it", async () => {
    const kept = await directory("kept");
    await writeFile(`${kept}/file`, "");
    const gone = await directory("gone/inner");
    await symlink(kept, `${gone}/link`);
    await undoTwice({ kind: "directory", path: path.join(place, "gone") });
    assert.ok(!existsSync(path.join(place, "gone")));
    assert.ok(existsSync(`${kept}/file`));
  });

  it("removes no directory in which something is mounted", async () => {
    const outer = await directory("outer");
    const inner = await directory("outer/inner");
    await os.mounts.mount({ source: "tmpfs", target: inner, type: "tmpfs", flags: [] });
    try {
      const failures = await undoAll(os, [{ kind: "directory", path: outer }]);
      assert.equal(failures.length, 1);
      assert.ok(existsSync(inner));
    } finally {
      await os.mounts.unmount(inner);
    }
  });

  it("removes a file, a socket and a link, but not a link's target", async () => {
    const file = path.join(place, "file");
    const link = path.join(place, "link");
    await writeFile(file, "");
    await symlink(file, link);
    await undoTwice({ kind: "file", path: link });
    assert.ok(existsSync(file));
    await undoTwice({ kind: "file", path: file }, { kind: "file", path: path.join(place, "no/such") });
    assert.ok(!existsSync(file));
  });

  it("unmounts everything at a path and below it, even while it is in use", async () => {
    const target = await directory("target");
    for (let layer = 0; layer < 2; layer++) {
      await os.mounts.mount({ source: "tmpfs", target, type: "tmpfs", flags: [] });
    }
    await mkdir(`${target}/inner`);
    await os.mounts.mount({ source: "tmpfs", target: `${target}/inner`, type: "tmpfs", flags: [] });
    const user = await os.processes.spawn({
      path: "/bin/sleep",
      argv: ["sleep", "1000"],
      env: {},
      cwd: `${target}/inner`,
      descriptors: {},
    });
    try {
      assert.deepEqual(await undoAll(os, [{ kind: "mount", target }]), []);
      assert.deepEqual(await mountsAt(target), []);
      await undoTwice({ kind: "mount", target });
      assert.deepEqual(await mountsAt(`${target}/inner`), []);
    } finally {
      user.kill(9);
      await user.exited;
    }
  });

  it("has nothing to do if nothing was created on a read-only file system, and fails if something was", async () => {
    const target = await directory("read-only");
    await os.mounts.mount({ source: "tmpfs", target, type: "tmpfs", flags: [] });
    try {
      await mkdir(`${target}/there`);
      await os.mounts.mount({ target, flags: ["remount", "ro"] });
      const never = `${target}/never`;
      await undoTwice(
        { kind: "directory", path: never },
        { kind: "file", path: never },
        { kind: "cgroup", path: never },
        { kind: "cgroup-parent", path: never },
        { kind: "cgroup-parent", path: `${target}/there` },
      );
      assert.equal((await undoAll(os, [{ kind: "cgroup", path: `${target}/there` }])).length, 1);
    } finally {
      await os.mounts.unmount(target);
    }
  });

  it("does not unmount a link's target", async () => {
    const target = await directory("target");
    const link = path.join(place, "link");
    await symlink(target, link);
    await os.mounts.mount({ source: "tmpfs", target, type: "tmpfs", flags: [] });
    try {
      await undoAll(os, [{ kind: "mount", target: link }]);
      assert.equal((await mountsAt(target)).length, 1);
    } finally {
      await os.mounts.unmount(target);
    }
  });

  it("kills a process, but not another one with its pid", async () => {
    const process = await sleeper();
    const { pid, startTicks } = process;
    await undoTwice({ kind: "process", key: "a", pid, startTicks: startTicks + 1 });
    assert.equal((await os.processes.info(pid))?.startTicks, startTicks);
    await undoTwice({ kind: "process", key: "a", pid, startTicks });
    assert.deepEqual(await process.exited, killed);
  });

  it("does not kill the process that runs it: a library's sandbox ends before its journal is worked off", async () => {
    const process = await sleeper();
    const { pid, startTicks } = process;
    const itself = { ...os, self: { ...os.self, pid, startTicks } };
    assert.deepEqual(await undoAll(itself, [{ kind: "process", key: "shim", pid, startTicks }]), []);
    assert.match((await os.processes.info(pid))?.state ?? "gone", /^[SRD]$/);
    process.kill(9);
    await process.exited;
  });

  it("kills no process of another cgroup with the pid of one that was in this cgroup", async () => {
    const process = await sleeper();
    const cgroup = await directory("cgroup");
    let looks = 0;
    const readText: typeof os.files.readText = async (file, limit) => {
      if (file !== `${cgroup}/cgroup.procs`) return os.files.readText(file, limit);
      looks += 1;
      return looks === 1 ? `${process.pid}\n` : "";
    };
    assert.deepEqual(
      await undoAll({ ...os, files: { ...os.files, readText } }, [{ kind: "cgroup", path: cgroup }]),
      [],
    );
    assert.match((await os.processes.info(process.pid))?.state ?? "gone", /^[SRD]$/);
    process.kill(9);
    await process.exited;
  });

  it("retries a cgroup in which a process has not ended yet", async () => {
    const cgroup = await directory("cgroup");
    let attempts = 0;
    const removeDir: typeof os.files.removeDir = async (path) => {
      attempts += 1;
      if (attempts < 3) throw new SystemError("EBUSY", "rmdir", path);
      await os.files.removeDir(path);
    };
    assert.deepEqual(
      await undoAll({ ...os, files: { ...os.files, removeDir } }, [{ kind: "cgroup", path: cgroup }]),
      [],
    );
    assert.ok(!existsSync(cgroup));
  });

  it("has nothing to do for a process that was never started", async () => {
    await undoTwice({ kind: "process", key: "qemu" });
  });

  for (const hierarchy of ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"]) {
    const usable = existsSync(`${hierarchy}/cgroup.procs`);
    const skip = usable ? false : "no such hierarchy on this host";
    it(`kills what runs in a cgroup and below it, and removes it (${hierarchy})`, { skip }, async () => {
      const cgroup = `${hierarchy}/${path.basename(place)}`;
      await mkdir(`${cgroup}/inner`, { recursive: true });
      const processes = [await sleeper([cgroup]), await sleeper([`${cgroup}/inner`])];
      await undoTwice({ kind: "cgroup", path: cgroup });
      for (const process of processes) assert.deepEqual(await process.exited, killed);
      assert.ok(!existsSync(cgroup));
    });

    it(`leaves a parent in which others are (${hierarchy})`, { skip }, async () => {
      const parent = `${hierarchy}/${path.basename(place)}`;
      await mkdir(`${parent}/other`, { recursive: true });
      const process = await sleeper([`${parent}/other`]);
      await undoTwice({ kind: "cgroup-parent", path: parent });
      assert.match(readFileSync(`${parent}/other/cgroup.procs`, "utf8"), new RegExp(`^${process.pid}$`, "m"));
      process.kill(9);
      await process.exited;
      await rmdir(`${parent}/other`);
      await undoTwice({ kind: "cgroup-parent", path: parent });
      assert.ok(!existsSync(parent));
    });
  }
});

describe("undoing several steps", () => {
  it("begins with the newest and continues after one that fails", async () => {
    const place = await mkdtemp(path.join(tmpdir(), "kumite-undo-"));
    await mkdir(`${place}/d/inner`, { recursive: true });
    await writeFile(`${place}/f`, "");
    const order: string[] = [];
    const watched = {
      ...os,
      files: {
        ...os.files,
        removeTree: (at: string) => {
          order.push(at);
          return at.endsWith("bad") ? Promise.reject(new Error("refused")) : os.files.removeTree(at);
        },
        removeFile: (at: string) => {
          order.push(at);
          return os.files.removeFile(at);
        },
      },
    };
    const bad: Step = { kind: "directory", path: `${place}/bad` };
    const steps: Step[] = [{ kind: "directory", path: `${place}/d` }, bad, { kind: "file", path: `${place}/f` }];
    const failures = await undoAll(watched, steps);
    assert.deepEqual(order, [`${place}/f`, `${place}/bad`, `${place}/d`]);
    assert.deepEqual(
      failures.map(({ step, error }) => [step, String(error)]),
      [[bad, "Error: refused"]],
    );
    assert.ok(!existsSync(`${place}/d`));
    await rm(place, { recursive: true });
  });
});
