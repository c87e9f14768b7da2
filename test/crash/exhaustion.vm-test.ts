/** A host that has no more of something: each time one clear error, and nothing stays. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Bundle, shell } from "../support/bundle.ts";
import { execute, type Finished, describe as show, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { memoryHierarchy, memoryLimitFile } from "../support/memory-cgroup.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

const pidsHierarchy = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].find((one) => existsSync(`${one}/cgroup.procs`)) ?? "";

describe("a host that has no more", onlyKumite, () => {
  let place: Workplace;
  let bundle: Bundle;
  before(async () => {
    place = await Workplace.withoutMachine("exhausted");
    bundle = await place.bundle(shell("true"));
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  function explained(finished: Finished, about: RegExp): void {
    assert.notEqual(finished.status, 0, show(finished));
    assert.match(finished.stderr, /kumite: /, show(finished));
    assert.match(finished.stderr, about, show(finished));
    assert.doesNotMatch(finished.stderr, /\n {2,}at |undefined|\[object/, show(finished));
  }

  async function nothingStays(id: string): Promise<void> {
    await succeed([runtimePath, "--root", place.root, "recover"]);
    assert.notEqual((await execute([runtimePath, "--root", place.root, "state", id])).status, 0);
  }

  /** Of a run whose state is on such a disk nothing stays, without any help. */
  async function onDisk(options: string): Promise<void> {
    const root = place.path("small");
    await mkdir(root);
    await succeed(["mount", "-t", "tmpfs", "-o", options, "tmpfs", root]);
    try {
      const id = place.newId();
      const argv = place.argv("run", "--bundle", bundle.directory, id);
      argv[argv.indexOf(place.root)] = root;
      const finished = await execute(argv);
      // With a few more than it needs it is enough after all.
      if (finished.status !== 0) explained(finished, /no space left on device/);
      assert.deepEqual(await readdir(root), [], show(finished));
    } finally {
      await succeed(["umount", root]);
      await rmdir(root);
    }
  }

  for (const pages of [1, 2, 3, 4, 6, 8]) {
    it(`disk, with ${pages} pages left, fails with its reason, and leaves nothing`, async () => {
      await onDisk(`size=${pages * 4096}`);
    });
  }

  for (const files of [4, 5, 6, 8, 12]) {
    it(`files, with ${files} left on the disk, fails with its reason, and leaves nothing`, async () => {
      await onDisk(`nr_inodes=${files}`);
    });
  }

  for (const limit of [4, 8, 12, 16, 20, 24, 28]) {
    it(`descriptors, with ${limit} for each process, fails with its reason, and leaves nothing`, async () => {
      const id = place.newId();
      const argv = place.argv("run", "--bundle", bundle.directory, id);
      const finished = await execute(["sh", "-c", `ulimit -n ${limit}; exec "$@"`, "sh", ...argv]);
      if (finished.status !== 0 && !/^kumite: /.test(finished.stderr)) {
        // So few that the engine itself cannot start.
        assert.ok(limit < 12 && finished.stderr !== "", show(finished));
      } else if (finished.status !== 0) explained(finished, /too many open files|ended|Too many open files|EMFILE/);
      await nothingStays(id);
    });
  }

  for (const limitMiB of [4, 12, 32, 48, 64]) {
    it(`memory, with ${limitMiB} MiB for all of its processes, fails with its reason, and leaves nothing`, async () => {
      const group = path.join(memoryHierarchy, `kumite-memory-${place.newId()}`);
      await mkdir(group);
      await writeFile(path.join(group, memoryLimitFile), `${limitMiB * 1024 * 1024}`);
      const small = await place.bundle(shell("true"), (config) => {
        config.linux.cgroupsPath = `/${path.basename(group)}/${place.newId()}`;
      });
      const id = place.newId();
      try {
        const finished = await execute(place.argv("run", "--bundle", small.directory, id));
        // The kernel kills whichever process has most: the error names it, and why.
        if (finished.status !== 0) explained(finished, /the memory of its cgroup was used up/);
        await nothingStays(id);
      } finally {
        await rmdir(group);
      }
    });
  }

  for (const limit of [2, 13, 14, 18]) {
    it(`processes, with ${limit} in its cgroup, fails with its reason, and leaves nothing`, async () => {
      const group = path.join(pidsHierarchy, `kumite-pids-${place.newId()}`);
      await mkdir(group);
      await writeFile(path.join(group, "pids.max"), `${limit}`);
      const small = await place.bundle(shell("true"), (config) => {
        config.linux.cgroupsPath = `/${path.basename(group)}/${place.newId()}`;
      });
      const id = place.newId();
      try {
        const finished = await execute(place.argv("run", "--bundle", small.directory, id));
        if (finished.status !== 0)
          explained(finished, /has room for|resource temporarily unavailable|EAGAIN|ended|died|killed/i);
        await nothingStays(id);
      } finally {
        await rmdir(group);
      }
    });
  }
});
