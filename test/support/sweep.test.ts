import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { makeBundle, shell } from "./bundle.ts";
import { begin, execute, succeed } from "./command.ts";
import { expectNothingNew, lookAtMachine } from "./left-overs.ts";
import { sweepDeadTests } from "./sweep.ts";
import { makeTestDirectory, testDirectoryAt } from "./test-directory.ts";
import { runtimePath } from "./workplace.ts";

/** The pid of a process that has ended. */
const deadPid = spawnSync("true").pid;

function swept(...directories: string[]): Promise<string[]> {
  return sweepDeadTests(directories.flatMap((directory) => testDirectoryAt(directory) ?? []));
}

describe("the sweep after a killed test run", () => {
  it("removes containers in its own root and the shared one, processes, mounts and cgroups", async () => {
    const before = lookAtMachine();
    const directory = makeTestDirectory("sweep", deadPid);
    const idPart = testDirectoryAt(directory)?.idPart;
    const config = path.join(directory, "configuration.toml");
    writeFileSync(config, '[runtime]\nhypervisor = "process"\n');
    const bundle = await makeBundle(
      path.join(directory, "bundle"),
      [runtimePath],
      shell("while :; do sleep 1000; done"),
    );
    const run = (id: string, ...flags: string[]) => {
      const words = [runtimePath, "--config", config, ...flags, "run", "--detach", "--bundle", bundle.directory, id];
      return succeed(["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...words]);
    };
    await run(`${idPart}.1`, "--root", path.join(directory, "root"));
    await run(`${idPart}.2`);
    const left = begin(["sh", "-c", "while :; do sleep 1000; done", path.join(directory, "script")]);
    const mounted = path.join(directory, "mounted");
    mkdirSync(mounted);
    await succeed(["mount", "-t", "tmpfs", "tmpfs", mounted]);

    assert.deepEqual(await swept(directory), [directory]);
    await left.finished;
    assert.ok(!existsSync(directory));
    await expectNothingNew(before);
    assert.notEqual((await execute([runtimePath, "state", `${idPart}.2`])).status, 0);
  });

  it("does not touch what belongs to a running test, or to none", async () => {
    const living = makeTestDirectory("sweep");
    try {
      assert.deepEqual(await swept(living), []);
      assert.ok(existsSync(living));
      for (const name of ["/tmp/kumite-test-1-abcdef", "/tmp/kumite-x-1-abcdef", "/tmp/kumite-test-x-1-abc"]) {
        assert.equal(testDirectoryAt(name), undefined, name);
      }
    } finally {
      rmSync(living, { recursive: true });
    }
  });
});
