/** A VM whose cgroup on the host runs out of memory: callers that wait for it get that reason, and nothing is left. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { type Patch, shell } from "../support/bundle.ts";
import { execute, type Running, describe as show, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { memoryCgroup, memoryLimitFile, memoryUsageFile } from "../support/memory-cgroup.ts";
import { processOf } from "../support/sandbox.ts";
import { type TestCgroup, testCgroup } from "../support/test-cgroup.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const mebibyte = 1024 * 1024;
const usedUp = /the memory of its cgroup was used up \(\/sys\/fs\/cgroup\//;
const endless = shell("while :; do sleep 1000; done");

describe("a VM whose cgroup runs out of memory", onlyKumite, () => {
  let place: Workplace;
  let memory: TestCgroup;
  let group: string;
  before(async () => {
    place = await Workplace.open("machine-memory");
  });
  after(() => place[Symbol.asyncDispose]());
  beforeEach(async () => {
    memory = await memoryCgroup(`kumite-memory-${place.newId()}`);
    group = memory.path;
  });
  afterEach(() => memory[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  const limit = (bytes: number): Promise<void> => writeFile(path.join(group, memoryLimitFile), `${bytes}`);
  const used = async (): Promise<number> => Number(await readFile(path.join(group, memoryUsageFile), "utf8"));
  /**
   * Uses memory of the group without a process: a score of 1000 counts as much as the limit. With this, the score of
   * the program is higher than QEMU's, whose own score includes file pages that are charged to other groups.
   */
  const ballast = async (): Promise<AsyncDisposable> => {
    // The host's own tmpfs may be small.
    const disk = place.path("ballast");
    await mkdir(disk);
    await succeed(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", disk]);
    const child = await testCgroup(group, "ballast");
    const script = 'echo $$ >"$1/cgroup.procs"; exec head -c 256M /dev/zero >"$2"';
    await succeed(["sh", "-c", script, "sh", child.path, `${disk}/file`]);
    return {
      [Symbol.asyncDispose]: async () => {
        await succeed(["umount", disk]);
        await child[Symbol.asyncDispose]();
      },
    };
  };
  /**
   * Is already running, and fills the guest's memory when it is told to, so its own start does not count against the
   * limit.
   */
  const eater = async (id: string): Promise<Running> => {
    const script = "echo ready; read go; exec dd if=/dev/zero of=/dev/shm/much bs=1M count=60";
    const exec = place.begin(["exec", id, "sh", "-c", script], { stdin: "" });
    await exec.untilOutput("ready");
    return exec;
  };
  const eat = ({ child }: Running): void => void child.stdin?.end("go\n");
  const inGroup =
    (id: string): Patch =>
    (config) => {
      config.linux.cgroupsPath = `/${path.basename(group)}/${id}`;
    };

  it("at its start fails with that reason, and leaves nothing", async () => {
    const id = place.newId();
    const bundle = await place.bundle(inGroup(id), shell("true"));
    await limit(100 * mebibyte);
    const finished = await place.runtime(["run", "--bundle", bundle.directory, id]);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, usedUp, show(finished));
    // Both start at the same time, and the kernel chooses one.
    assert.match(finished.stderr, /qemu was killed by signal 9|the shim of \S+ was killed by SIGKILL/);
    assert.notEqual((await place.runtime(["state", id])).status, 0);
  });

  it("because of an address space limit fails with QEMU's own message, and leaves nothing", async () => {
    const bundle = await place.bundle(shell("true"));
    const run = place.argv("run", "--bundle", bundle.directory, place.newId());
    const finished = await execute(["sh", "-c", `ulimit -v ${1500 * 1024}; exec "$@"`, "sh", ...run]);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /qemu ended with status 1: .*Cannot allocate memory/, show(finished));
  });

  it("because of what an exec does is killed, and exec, run and log say why", async () => {
    const id = place.newId();
    const bundle = await place.bundle(inGroup(id), endless);
    const running = place.begin(["run", "--keep", "--bundle", bundle.directory, id]);
    await place.untilStatusOf(id, "running");
    const exec = await eater(id);
    await limit((await used()) + 16 * mebibyte);
    eat(exec);
    for (const finished of await Promise.all([exec.finished, running.finished])) {
      assert.equal(finished.status, 137, show(finished));
      assert.match(finished.stderr, /its VM has ended/, show(finished));
      assert.match(finished.stderr, usedUp, show(finished));
    }
    assert.equal((await place.state(id)).status, "stopped");
    assert.match((await place.must(["logs", id])).stdout, usedUp);
    await place.must(["delete", id]);
  });

  it("ends with its shim if the kernel kills the shim, and says so", async () => {
    const id = place.newId();
    await using _ballast = await ballast();
    const bundle = await place.bundle(inGroup(id), endless);
    const running = place.begin(["run", "--bundle", bundle.directory, id]);
    await place.untilStatusOf(id, "running");
    await writeFile(`/proc/${await processOf(id, "shim")}/oom_score_adj`, "1000");
    const exec = await eater(id);
    await limit((await used()) + 8 * mebibyte);
    eat(exec);
    // The exec may find that `run` has removed the container, and report that instead.
    const [execEnd, runEnd] = await Promise.all([exec.finished, running.finished]);
    for (const finished of [execEnd, runEnd]) assert.equal(finished.status, 137, show(finished));
    const told = /its VM has ended \(\w+\)\n {2}because: its shim died: the memory of its cgroup/;
    assert.match(runEnd.stderr, told, show(runEnd));
    assert.notEqual((await place.runtime(["state", id])).status, 0, "its run has removed it");
  });
});
