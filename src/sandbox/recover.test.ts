import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { makeSandboxCgroups } from "../cgroups/sandbox-cgroups.ts";
import { type Claim, claimContainer } from "../persist/claim.ts";
import { readJournal } from "../persist/journal.ts";
import { findKeptLogs } from "../persist/kept-logs.ts";
import { sandboxPaths } from "../persist/paths.ts";
import { type ContainerRecord, readRecord, writeRecord } from "../persist/record.ts";
import { readRingFile } from "../persist/ring-file.ts";
import type { Step } from "../persist/step.ts";
import { makeSharedTree } from "../storage/shared-tree.ts";
import type { ChildProcess, MountEntry, Os } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
import { killedStatus, observeContainer } from "./observe.ts";
import { recoverContainer } from "./recover.ts";

const os = testOs();

/** Ends a create at any write of the journal, as if the process had died there. */
class Crash extends Error {}

describe("recovery", () => {
  let place: string;
  let root: string;
  let name: string;

  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-recover-"));
    root = path.join(place, "root");
    name = path.basename(place);
  });
  afterEach(async () => {
    assert.deepEqual(await remains(), []);
    await rm(place, { recursive: true });
  });

  function claim(id = "web", using = os): Promise<Claim> {
    return claimContainer(using, { root, id, bundle: "/b", rootfs: "/b/rootfs", annotations: { a: "b" } });
  }

  /** Everything on the host that is left of what this suite made. */
  async function remains(): Promise<string[]> {
    const table = await os.mounts.table();
    const mounts = table.filter(({ target }) => target.startsWith(place)).map(({ target }) => target);
    const hierarchies = table.filter(({ type }) => type.startsWith("cgroup")).map(({ target }) => `${target}/${name}`);
    const directories = existsSync(root) ? await readdir(root) : [];
    return [...mounts, ...hierarchies.filter((cgroup) => existsSync(cgroup)), ...directories];
  }

  function sleeper(cgroups: readonly string[]): Promise<ChildProcess> {
    return os.processes.spawn({ path: "/bin/sleep", argv: ["sleep", "1000"], env: {}, descriptors: {}, cgroups });
  }

  /** Makes one thing of each kind, as a create does. */
  async function makeEverything({ journal }: Claim, using: Os, started: ChildProcess[]): Promise<void> {
    const paths = sandboxPaths(root, "web");
    const cgroups = await makeSandboxCgroups(using, journal, `/${name}/web`);
    await journal.record({ kind: "file", path: paths.socket }, { kind: "process", key: "vm" });
    const vm = await sleeper(cgroups.vm);
    started.push(vm);
    await journal.made("vm", vm);
    await makeSharedTree(using, journal, paths.shared);
    await journal.make({ kind: "file", path: `${paths.directory}/qmp` }, () => writeFile(`${paths.directory}/qmp`, ""));
    await journal.make({ kind: "directory", path: paths.vm }, () => mkdir(paths.vm));
    await journal.make({ kind: "process", key: "daemon" }, async () => started.push(await sleeper(cgroups.vm)));
  }

  /** An `Os` in which the process "dies" at call number `at` of those that change something. */
  function dyingAt(at: number): { readonly os: Os; readonly calls: () => number } {
    let calls = 0;
    const mortal = <Arguments extends unknown[], Result>(call: (...words: Arguments) => Promise<Result>) => {
      return async (...words: Arguments): Promise<Result> => {
        calls += 1;
        if (calls >= at) throw new Crash();
        return call(...words);
      };
    };
    const { files, mounts } = os;
    const dying: Os = {
      ...os,
      files: {
        ...files,
        replace: mortal(files.replace),
        makeDir: mortal(files.makeDir),
        makeDirs: mortal(files.makeDirs),
        rename: mortal(files.rename),
        removeTree: mortal(files.removeTree),
      },
      mounts: { ...mounts, mount: mortal(mounts.mount), table: async () => fewHierarchies(await mounts.table()) },
    };
    return { os: dying, calls: () => calls };
  }

  /** One hierarchy of each version is enough, and faster than eight. */
  function fewHierarchies(table: readonly MountEntry[]): MountEntry[] {
    return table.filter(({ type, target }) => type !== "cgroup" || target.endsWith("/pids"));
  }

  it("removes everything, wherever the process that created it died", async () => {
    let finished = false;
    for (let at = 1; !finished; at++) {
      const started: ChildProcess[] = [];
      const { os: mortal, calls } = dyingAt(at);
      try {
        await makeEverything(await claim("web", mortal), mortal, started);
        finished = calls() < at;
      } catch (error) {
        assert.ok(error instanceof Crash, String(error));
      }
      // Another process comes next. A claim that was under way is swept by the next claim.
      await recoverContainer(os, root, "web");
      const { paths } = await claim("web");
      await recoverContainer(os, root, "web");
      assert.deepEqual(await remains(), staged(await remains()), `died at call ${at}`);
      for (const child of started) assert.deepEqual(await child.exited, { kind: "signalled", signal: 9 }, `call ${at}`);
      assert.ok(!existsSync(paths.directory));
      await rm(root, { recursive: true });
    }
  });

  /** Unfinished claims of this process are not swept, because the process is alive. */
  function staged(left: readonly string[]): string[] {
    return left.filter((entry) => entry.startsWith(`.claim-${process.pid}-`));
  }

  it("may run twice, also at the same time", async () => {
    const started: ChildProcess[] = [];
    await makeEverything(await claim(), os, started);
    await Promise.all([recoverContainer(os, root, "web"), recoverContainer(testOs(), root, "web")]);
    await recoverContainer(os, root, "web");
    await Promise.all(started.map(({ exited }) => exited));
  });

  it("ends the process that owns the sandbox first", async () => {
    const { journal } = await claim();
    const owner = await sleeper([]);
    await journal.handOver(owner);
    await recoverContainer(os, root, "web");
    assert.deepEqual(await owner.exited, { kind: "signalled", signal: 9 });
  });

  it("of a container that was added does not end the shim, which the others need", async () => {
    const shim = await sleeper([]);
    const { journal: ofSandbox } = await claim();
    await ofSandbox.handOver(shim);
    const added = { root, id: "added", sandbox: "web", bundle: "/b", rootfs: "/b/rootfs", annotations: {} };
    const { journal } = await claimContainer(os, added);
    await journal.handOver(shim);
    await assert.rejects(recoverContainer(os, root, "added"), {
      code: "container/wrong-state",
      message: "container added is still held by the shim of sandbox web",
      hint: /`kumite delete --force web`/,
    });
    assert.match((await os.processes.info(shim.pid))?.state ?? "gone", /^[SRD]$/);
    await recoverContainer(os, root, "web");
    assert.deepEqual(await shim.exited, { kind: "signalled", signal: 9 });
    await recoverContainer(os, root, "added");
  });

  it("does not affect a sandbox that took the id meanwhile", async () => {
    await claim();
    let second: Claim | undefined;
    const slow: Os = {
      ...os,
      files: {
        ...os.files,
        lock: async (file, signal) => {
          if (second === undefined) {
            await recoverContainer(os, root, "web");
            second = await claim();
          }
          return os.files.lock(file, signal);
        },
      },
    };
    await recoverContainer(slow, root, "web");
    assert.equal((await observeContainer(os, root, "web")).status, "creating");
    await recoverContainer(os, root, "web");
  });

  it("needs no room on the disk, not even for another file", async () => {
    await mkdir(root);
    await os.mounts.mount({ source: "tmpfs", target: root, type: "tmpfs", flags: [], data: "nr_inodes=8" });
    try {
      await claim();
      await assert.rejects(
        async () => {
          for (let n = 0; ; n++) await writeFile(path.join(root, `web/filler-${n}`), "");
        },
        { code: "ENOSPC" },
      );
      await recoverContainer(os, root, "web");
      assert.deepEqual(await readdir(root), []);
    } finally {
      await os.mounts.unmount(root);
    }
  });

  it("does not take a directory without a journal for a sandbox", async () => {
    const foreign = path.join(root, "web");
    await mkdir(foreign, { recursive: true });
    await recoverContainer(os, root, "web");
    assert.ok(existsSync(foreign));
    await rm(foreign, { recursive: true });
  });

  it("keeps the last log lines of sandboxes that were not created or lost their shim, and of no others", async () => {
    const failures = { creating: "it was not created", running: "its shim died", stopped: undefined } as const;
    for (const [phase, reason] of Object.entries(failures)) {
      const { journal } = await claim(phase);
      const paths = sandboxPaths(root, phase);
      await writeFile(paths.console, "2026-11-30T10:00:00.000Z Kernel panic\n");
      const record = (await readRecord(os, paths.state)) as ContainerRecord;
      const times = { startedMs: 1, exitedMs: 2, exitStatus: 0 };
      await writeRecord(os, paths.state, { ...record, status: { phase, ...times } as ContainerRecord["status"] });
      const owner = await sleeper([]);
      await journal.handOver(owner);
      owner.kill(9);
      await owner.exited;
      await recoverContainer(os, root, phase);
      const kept = await findKeptLogs(os, root, phase);
      assert.equal(kept?.reason, reason, phase);
      if (kept !== undefined) assert.match(await readRingFile(os, kept.paths.console), /Kernel panic/);
    }
  });

  it("reports what it could not remove, keeps the journal, and can be repeated", async () => {
    const { journal, paths } = await claim();
    const stubborn: Step = { kind: "directory", path: path.join(place, "stubborn") };
    await mkdir(path.join(place, "stubborn/inner"), { recursive: true });
    await journal.record(stubborn);
    const target = path.join(place, "stubborn/inner");
    await os.mounts.mount({ source: "tmpfs", target, type: "tmpfs", flags: [] });
    await assert.rejects(recoverContainer(os, root, "web"), (error) => {
      assert.ok(isKumiteError(error, "cleanup/incomplete"));
      assert.match(error.message, /container web: not everything could be removed: directory .*stubborn/);
      return true;
    });
    assert.deepEqual((await readJournal(os, paths.journal))?.steps, [stubborn]);
    await os.mounts.unmount(target);
    await recoverContainer(os, root, "web");
    assert.ok(!existsSync(path.join(place, "stubborn")));
  });
});

describe("the state of a sandbox without a shim", () => {
  let place: string;
  let root: string;

  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-observe-"));
    root = path.join(place, "root");
  });
  afterEach(async () => {
    await recoverContainer(os, root, "web");
    await rm(place, { recursive: true });
  });

  const owner = { pid: 2 ** 22 - 1, startTicks: 1 };
  const record = {
    id: "web",
    bundle: "/b",
    rootfs: "/b/rootfs",
    annotations: { a: "b" },
    createdMs: 1000,
    relay: { pid: 77, startTicks: 5 },
    timeline: {},
  };

  it("is creating as long as its create runs", async () => {
    await claimContainer(os, { root, ...record });
    const { status, alive, bundle, annotations } = await observeContainer(os, root, "web");
    assert.deepEqual({ status, bundle, annotations }, { status: "creating", bundle: "/b", annotations: { a: "b" } });
    assert.equal(alive?.pid, process.pid);
  });

  it("is stopped whatever was recorded, killed with its shim", async () => {
    const { journal } = await claimContainer(os, { root, ...record });
    await journal.handOver(owner);
    for (const status of [
      { phase: "creating" as const },
      { phase: "created" as const },
      { phase: "running" as const, startedMs: 2000 },
    ]) {
      await writeRecord(os, sandboxPaths(root, "web").state, { ...record, status });
      const observed = await observeContainer(os, root, "web");
      assert.equal(observed.status, "stopped");
      assert.equal(observed.exitStatus, killedStatus);
      assert.equal(observed.pid, 0);
      assert.equal(observed.alive, undefined);
    }
  });

  it("is stopped with the status that was recorded", async () => {
    const { journal } = await claimContainer(os, { root, ...record });
    await journal.handOver(owner);
    const status = { phase: "stopped" as const, exitStatus: 3, exitedMs: 3000 };
    await writeRecord(os, sandboxPaths(root, "web").state, { ...record, status });
    const observed = await observeContainer(os, root, "web");
    assert.equal(observed.exitStatus, 3);
    assert.equal(observed.owner, 0);
    assert.equal(observed.createdMs, 1000);
  });

  it("is none for an unknown id", async () => {
    await assert.rejects(observeContainer(os, root, "none"), (error) => {
      assert.ok(isKumiteError(error, "container/not-found"));
      assert.equal(error.message, "container none does not exist");
      return true;
    });
  });
});
