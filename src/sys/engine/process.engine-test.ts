/** How a process of the engine starts, ends and survives failures. */
import { textOf } from "../contract/scratch.ts";
import { openDirectory, readEntries } from "../linux/directory.ts";
import { closeQuietly } from "../linux/file.ts";
import type { ExitStatus, ProcessId } from "../os.ts";
import { osContract } from "../os-contract.ts";
import { engineOs } from "./engine-os.ts";
import { assert } from "./testing/assert.ts";
import { describe, it } from "./testing/suite.ts";

const os = engineOs();

interface Run {
  readonly printed: string;
  readonly failed: string;
  readonly status: ExitStatus;
}

async function fixture(mode: string, prefix: readonly string[] = []): Promise<Run> {
  const program = prefix.length === 0 ? ["engine-fixture"] : [...prefix, os.self.executable];
  const child = await os.processes.spawn({
    path: prefix[0] ?? os.self.executable,
    argv: [...program, mode],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    descriptors: { 1: { kind: "stream" }, 2: { kind: "stream" } },
  });
  const [printed, failed, status] = await Promise.all([
    textOf(child.streams.get(1)),
    textOf(child.streams.get(2)),
    child.exited,
  ]);
  for (const stream of child.streams.values()) stream.close();
  return { printed, failed, status };
}

const exited = (status: number): ExitStatus => ({ kind: "exited", status });

function openDescriptors(): number {
  const fd = openDirectory("/proc/self/fd");
  const count = readEntries(fd).length;
  closeQuietly(fd);
  return count;
}

describe("the engine as a process", () => {
  it("exits with 0 when there is nothing left to wait for", async () => {
    assert.deepEqual(await fixture("nothing-left"), { printed: "done\n", failed: "", status: exited(0) });
    assert.deepEqual(await fixture("timer"), { printed: "after the timer\n", failed: "", status: exited(0) });
    assert.deepEqual(await fixture("child"), { printed: "", failed: "", status: exited(0) });
  });

  it("exits with 13 when it awaits what can never come", async () => {
    assert.deepEqual(await fixture("unsettled"), { printed: "", failed: "", status: exited(13) });
  });

  it("exits with 70 when its main function does not finish, for example without memory for the next step", async () => {
    const failed = "kumite: ended before its work was done: out of memory\n";
    assert.deepEqual(await fixture("lost"), { printed: "", failed, status: exited(70) });
  });

  it("ends with 70 when it was refused memory and then waits for what may never come", async () => {
    const failed = "kumite: ended before its work was done: out of memory\n";
    assert.deepEqual(await fixture("without-memory"), { printed: "", failed, status: exited(70) });
  });

  it("reports an exception that nobody handles, with its place, and exits with 70", async () => {
    for (const [mode, message] of [
      ["throws", "at the top"],
      ["throws-later", "in a timer"],
    ] as const) {
      const { failed, status } = await fixture(mode);
      assert.deepEqual(status, exited(70));
      assert.ok(
        failed.startsWith(`kumite: internal error: ${message}\n`) && failed.includes("engine-fixture.js:"),
        failed,
      );
    }
  });

  it("ends a forked child that returns to its parent's event loop", async () => {
    const { printed, failed } = await fixture("forked-child-returns");
    assert.equal(printed, '{"kind":"exited","status":70}\n');
    assert.ok(failed.includes("came back to its parent's event loop"), failed);
  });

  it("takes along a child that has to die with it", async () => {
    const { printed, status } = await fixture("leaves-child");
    assert.deepEqual(status, exited(0));
    await os.processes.waitGone(JSON.parse(printed) as ProcessId);
  });

  it("continues as process 1, whatever fails in it, and reaps every orphan", async () => {
    // The name under which it is called chooses the module.

    const init = 'mount -t proc proc /proc && exec -a engine-fixture "$0" "$1"';
    const { printed, failed, status } = await fixture("init", [
      "/usr/bin/unshare",
      "--pid",
      "--fork",
      "--mount",
      "/bin/bash",
      "-c",
      init,
    ]);
    assert.deepEqual([printed, failed, status], ["1: nobody caught this, nor this\n", "", exited(0)]);
  });

  it("has as many descriptors and children after the whole contract as before", async () => {
    const chosen = osContract.filter(({ name }) => !name.includes("8 MiB") && !name.includes("deeper"));
    await chosen[0]?.run(os, assert);
    const before = openDescriptors();
    for (const check of chosen) await check.run(os, assert);
    assert.equal(openDescriptors(), before);
    const children = await os.files.readText(`/proc/self/task/${os.self.pid}/children`).catch(() => "");
    assert.equal(children, "");
  });
});
