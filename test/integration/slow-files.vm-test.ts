/** A container that ends while the daemon that serves its files is stopped. */
import assert from "node:assert/strict";
import { copyFile, mkdir, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { nativeHelper } from "../support/native.ts";
import { sandboxProcesses, untilConnected } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

describe("a container whose file-sharing daemon does not answer", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("slow-files");
    await nativeHelper("late");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("ends when it is killed, and so do the processes that wait for it", async () => {
    const volume = place.path("volume");
    await mkdir(volume);
    await writeFile(path.join(volume, "file"), "");
    await truncate(path.join(volume, "file"), 64 * 1024 * 1024);
    // The kernel waits for the daemon when it releases a program's file, so the program itself is in memory.
    const bundle = await place.bundle(shell("cp /late /own/late && exec /own/late /tmp/file"), ({ mounts }) => {
      mounts.push({ destination: "/tmp", type: "bind", source: volume, options: ["bind"] });
      mounts.push({ destination: "/own", type: "tmpfs", source: "tmpfs", options: ["nosuid"] });
    });
    await copyFile(await nativeHelper("late"), path.join(bundle.rootfs, "late"));
    const id = place.newId();
    const running = place.begin(["run", "--bundle", bundle.directory, id]);
    await running.untilOutput("ready");
    const events = place.begin(["events", "--interval", "1h", id]);
    await untilConnected(events.pid);
    await place.must(["kill", id, "USR1"]);
    await running.untilOutput("asked");
    const daemons = sandboxProcesses(id).get("virtiofsd") ?? [];
    assert.ok(daemons.length > 0);
    for (const pid of daemons) process.kill(pid, "SIGSTOP");
    try {
      await place.must(["kill", id, "USR1"]);
      await running.untilOutput("asked\nasked");
      await place.must(["kill", id, "KILL"]);
      await place.untilStatus(id, "stopped");
      assert.equal((await events.finished).status, 0);
    } finally {
      for (const pid of daemons) goOn(pid);
    }
    assert.equal((await running.finished).status, 137);
    await place.remove(id);
  });
});

function goOn(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // The daemon has ended with its sandbox.
  }
}
