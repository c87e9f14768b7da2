/** Every process of a sandbox is killed in turn: the container is then stopped, and deleting it leaves nothing. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Bundle, shell } from "../support/bundle.ts";
import { asEngine } from "../support/engine.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { processOf, roles, sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

describe("after SIGKILL", onlyKumite, () => {
  let place: Workplace;
  let bundle: Bundle;
  before(async () => {
    place = await Workplace.open("crash");
    bundle = await place.bundle(shell("echo up; while :; do sleep 1; done"));
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  for (const role of roles) {
    it(`of the ${role} the container is stopped with 137 and can be deleted`, async () => {
      const id = place.newId();
      const pidFile = place.path("pid");
      const engine = await asEngine(
        place.argv("run", "--detach", "--bundle", bundle.directory, "--pid-file", pidFile, id),
        pidFile,
      );
      assert.equal(await engine.verbStatus, 0, engine.errors());
      process.kill(await processOf(id, role), "SIGKILL");
      assert.equal(await engine.processStatus, 137);
      await place.untilStatus(id, "stopped");
      const refused = await place.runtime(["exec", id, "true"]);
      assert.notEqual(refused.status, 0);
      await place.must(["delete", id]);
      assert.deepEqual([...sandboxProcesses(id)], []);
    });
  }

  it("of a foreground run its container continues, and can be deleted by force", async () => {
    const id = place.newId();
    const running = place.begin(["run", "--bundle", bundle.directory, id]);
    await running.untilOutput("up");
    process.kill(running.pid, "SIGKILL");
    await eventually("the verb is gone", () => (running.child.signalCode === null ? undefined : true));
    await place.must(["delete", "--force", id]);
    await running.finished;
  });

  it("of a create that waits for its VM nothing is left", async () => {
    const id = place.newId();
    const running = place.begin(["create", "--bundle", bundle.directory, id]);
    await processOf(id, "qemu");
    process.kill(running.pid, "SIGKILL");
    await running.finished;
    await eventually("the container is unknown", async () =>
      (await place.runtime(["state", id])).status === 0 ? undefined : true,
    );
  });

  it("of all processes at once deleting works", async () => {
    const id = await place.runDetached(bundle);
    for (const pid of [...sandboxProcesses(id).values()].flat()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        // This one died because of another one's death.
        assert.equal((error as NodeJS.ErrnoException).code, "ESRCH");
      }
    }
    await place.untilStatus(id, "stopped");
    await place.must(["delete", id]);
  });
});
