import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { readRecord } from "../persist/record.ts";
import { isKumiteError } from "../util/errors.ts";
import { encodeUtf8 } from "../util/text.ts";
import { statusOf } from "./container.ts";
import { deleteProcess } from "./delete.ts";
import { execProcess } from "./exec.ts";
import { killProcess } from "./kill.ts";
import type { ProcessKey } from "./process.ts";
import { resizeTerminal } from "./resize.ts";
import { codeAndMessage, SandboxPlace } from "./sandbox.testing.ts";
import type { Sandbox } from "./sandbox.ts";
import { startProcess } from "./start.ts";
import { stopSandbox } from "./stop.ts";
import { waitProcess } from "./wait.ts";

const never = new AbortController().signal;
const sigterm = 15;
const sigkill = 9;

function own(sandbox: Sandbox): ProcessKey {
  return { containerId: sandbox.host.id, execId: undefined };
}

describe("a sandbox", () => {
  let place: SandboxPlace;

  before(async () => {
    place = await SandboxPlace.open();
  });
  after(() => place.close());

  it("runs a container from its create to its end, and ends with it", async () => {
    const {
      sandbox,
      created,
      own: attached,
    } = await place.create((spec) => {
      spec.process.args = ["/bin/sh", "-c", "cat; echo diagnosis >&2; exit 7"];
    });
    assert.equal(statusOf(created.container), "created");
    await startProcess(sandbox, own(sandbox), never);
    assert.equal(statusOf(created.container), "running");
    await attached.stdin.write(encodeUtf8("through"));
    await attached.stdin.end();
    const { exitStatus } = await waitProcess(sandbox, own(sandbox), never);
    assert.equal(exitStatus, 7);
    assert.equal(await attached.stdout, "through");
    assert.equal(await attached.stderr, "diagnosis\n");
    await sandbox.ended;
    assert.equal(statusOf(created.container), "stopped");
    const record = await readRecord(place.os, sandbox.host.paths.state);
    assert.equal(record?.status.phase === "stopped" && record.status.exitStatus, 7);
    for (const phase of ["share", "agent", "sandbox", "container", "start"]) {
      assert.ok((record?.timeline[phase] ?? -1) >= 0, phase);
    }
  });

  it("reports the end after the record is written and the output is passed on", async () => {
    const { sandbox, own: attached } = await place.run("dd if=/dev/zero bs=64k count=40 2>/dev/null");
    let length = -1;
    const counting = attached.stdout.then((text) => {
      length = text.length;
    });
    await waitProcess(sandbox, own(sandbox), never);
    const record = await readRecord(place.os, sandbox.host.paths.state);
    assert.equal(record?.status.phase, "stopped");
    await counting;
    assert.equal(length, 40 * 65536);
  });

  it("reports the same end to all who wait", async () => {
    const { sandbox, own: attached } = await place.run("read line; exit 5");
    const waiting = Array.from({ length: 5 }, () => waitProcess(sandbox, own(sandbox), never));
    await attached.stdin.end();
    assert.deepEqual(new Set((await Promise.all(waiting)).map(({ exitStatus }) => exitStatus)), new Set([5]));
  });

  it("shares volumes with the container, and keeps read-only ones read-only", async () => {
    const data = path.join(place.directory, "data");
    await mkdir(data, { recursive: true });
    const { sandbox, own: attached } = await place.run(
      "touch /rw/made && ! touch /ro/refused 2>/dev/null && echo good",
      (spec) => {
        spec.mounts?.push(
          { destination: "/rw", type: "bind", source: data, options: ["rbind", "rw"] },
          { destination: "/ro", type: "bind", source: data, options: ["rbind", "ro"] },
        );
      },
    );
    assert.equal(await attached.stdout, "good\n");
    await sandbox.ended;
    assert.ok(existsSync(`${data}/made`) && !existsSync(`${data}/refused`));
    await rmdir(path.join(place.directory, "rootfs/ro")).catch(() => {});
  });

  it("refuses what a container's state does not allow, with messages that engines know", async () => {
    const { sandbox, own: attached } = await place.create((spec) => {
      spec.process.args = ["/bin/sleep", "1000"];
    });
    const { id } = sandbox.host;
    await startProcess(sandbox, own(sandbox), never);
    assert.equal(
      await codeAndMessage(startProcess(sandbox, own(sandbox), never)),
      "container/wrong-state: cannot start an already running container",
    );
    assert.equal(
      await codeAndMessage(deleteProcess(sandbox, own(sandbox))),
      `container/wrong-state: cannot delete container ${id} that is not stopped: running`,
    );
    assert.match(
      await codeAndMessage(killProcess(sandbox, { key: own(sandbox), signal: 65, all: false })),
      /65 is not a signal/,
    );
    await killProcess(sandbox, { key: own(sandbox), signal: sigkill, all: false });
    assert.equal((await waitProcess(sandbox, own(sandbox), never)).exitStatus, 137);
    assert.equal(
      await codeAndMessage(killProcess(sandbox, { key: own(sandbox), signal: sigterm, all: false })),
      "container/wrong-state: container not running",
    );
    assert.equal(
      await codeAndMessage(startProcess(sandbox, own(sandbox), never)),
      "container/wrong-state: cannot start a container that has stopped",
    );
    const exec = { containerId: id, execId: "e", document: {}, terminal: false, relay: attached.process.relay };
    assert.equal(
      await codeAndMessage(() => execProcess(sandbox, exec)),
      "container/wrong-state: cannot exec in a stopped container",
    );
    assert.equal(
      await codeAndMessage(resizeTerminal(sandbox, own(sandbox), { rows: 1, columns: 1 })),
      `container/wrong-state: container ${id} has no terminal`,
    );
    await deleteProcess(sandbox, own(sandbox));
    await sandbox.ended;
  });

  it("deletes a container that was created and never started", async () => {
    const { sandbox } = await place.create();
    const { exitStatus } = await deleteProcess(sandbox, own(sandbox));
    assert.equal(exitStatus, 137);
    await sandbox.ended;
  });

  it("kills a process whose relay is gone", async () => {
    const { sandbox, own: attached } = await place.run("sleep 1000");
    attached.hangUp();
    assert.equal((await waitProcess(sandbox, own(sandbox), never)).exitStatus, 137);
    await sandbox.ended;
  });

  it("does not start a container whose relay is gone", async () => {
    const { sandbox, own: attached } = await place.create();
    attached.hangUp();
    assert.equal((await waitProcess(sandbox, own(sandbox), never)).exitStatus, 137);
    assert.match(await codeAndMessage(startProcess(sandbox, own(sandbox), never)), /^container\/wrong-state/);
  });

  it("stops everything on request, whatever runs", async () => {
    const { sandbox, own: attached } = await place.run("sleep 1000");
    const exec = await place.exec(sandbox, "e1", ["/bin/sleep", "1000"]);
    await stopSandbox(sandbox);
    assert.equal((await attached.process.exited).exitStatus, 137);
    assert.equal((await exec.process.exited).exitStatus, 137);
  });

  it("ends when its agent dies, and says so", async () => {
    const { sandbox, own: attached } = await place.run("sleep 1000");
    const { vm } = sandbox.running();
    process.kill(vm.machine.pid, "SIGKILL");
    assert.equal((await attached.process.exited).exitStatus, 137);
    await sandbox.ended;
    assert.ok(place.log.some((line) => line.includes("level=error") && line.includes("is unknown")));
  });

  describe("a sandbox with exec processes", () => {
    let sandbox: Sandbox;

    before(async () => {
      ({ sandbox } = await place.run("sleep 1000"));
    });
    after(() => place.remove(sandbox));

    it("runs them beside the container's own, with status and streams of their own", async () => {
      const [first, second] = await Promise.all([
        place.exec(sandbox, "first", ["/bin/sh", "-c", "echo one; exit 1"]),
        place.exec(sandbox, "second", ["/bin/sh", "-c", "echo two; kill -TERM $$"]),
      ]);
      assert.deepEqual([await first.stdout, await second.stdout], ["one\n", "two\n"]);
      assert.equal((await first.process.exited).exitStatus, 1);
      assert.equal((await second.process.exited).exitStatus, 128 + sigterm);
    });

    it("kills one and no other", async () => {
      const [first, second] = await Promise.all([
        place.exec(sandbox, "k1", ["/bin/sleep", "1000"]),
        place.exec(sandbox, "k2", ["/bin/cat"]),
      ]);
      await killProcess(sandbox, { key: first.process.key, signal: sigkill, all: false });
      assert.equal((await first.process.exited).exitStatus, 137);
      await second.stdin.write(encodeUtf8("alive"));
      await second.stdin.end();
      assert.equal(await second.stdout, "alive");
      assert.match(
        await codeAndMessage(killProcess(sandbox, { key: first.process.key, signal: sigkill, all: false })),
        /process\/not-found: process already finished/,
      );
    });

    it("does not wait for a daemon that one leaves with its output open", async () => {
      const { process, stdout } = await place.exec(sandbox, "daemon", ["/bin/sh", "-c", "sleep 1000 & echo left"]);
      assert.equal((await process.exited).exitStatus, 0);
      assert.equal(await stdout, "left\n");
    });

    it("gives one a terminal of the size that its relay has", async () => {
      const { process, stdout, stdin } = await place.exec(sandbox, "tty", ["/bin/sh", "-c", "read x; stty size"], {
        terminal: true,
      });
      await resizeTerminal(sandbox, process.key, { rows: 33, columns: 111 });
      await stdin.write(encodeUtf8("\n"));
      assert.equal((await process.exited).exitStatus, 0);
      assert.match(await stdout, /33 111/);
    });

    it("fails for an executable that does not exist, and frees the name", async () => {
      const starting = place.exec(sandbox, "missing", ["/bin/no-such-program"]);
      await assert.rejects(starting, (error) => isKumiteError(error, "process/executable-not-found"));
      assert.ok(!sandbox.processes.has({ containerId: sandbox.host.id, execId: "missing" }));
      const again = await place.exec(sandbox, "missing", ["/bin/true"]);
      assert.equal((await again.process.exited).exitStatus, 0);
    });

    it("forgets them when they have ended and their relay has gone", async () => {
      const before = sandbox.processes.of(sandbox.host.id).length;
      for (let round = 0; round < 20; round++) {
        const { process, hangUp } = await place.exec(sandbox, `r${round}`, ["/bin/true"]);
        await process.exited;
        hangUp();
      }
      assert.equal(sandbox.processes.of(sandbox.host.id).length, before);
    });

    it("starts one to its end, or not at all, when its caller disconnects", async () => {
      const relay = { pid: process.pid, startTicks: place.os.self.startTicks };
      const key = { containerId: sandbox.host.id, execId: "left" };
      const document = { args: ["/bin/sleep", "4321"], cwd: "/" };
      execProcess(sandbox, { ...key, document, terminal: false, relay });
      const attached = await place.attach(sandbox, key, relay);
      const caller = new AbortController();
      const starting = startProcess(sandbox, key, caller.signal);
      caller.abort();
      attached.hangUp();
      await starting.catch(() => {});
      assert.equal((await attached.process.exited).exitStatus === 0, false);
      const listing = await place.exec(sandbox, "list", ["/bin/ps"]);
      assert.doesNotMatch(await listing.stdout, /sleep 4321/);
    });

    it("forgets one that was registered and whose relay went before the start", async () => {
      const relay = { pid: process.pid, startTicks: place.os.self.startTicks };
      const document = { args: ["true"], cwd: "/" };
      const key = { containerId: sandbox.host.id, execId: "early" };
      execProcess(sandbox, { ...key, document, terminal: false, relay });
      const attached = await place.attach(sandbox, key, relay);
      attached.hangUp();
      assert.ok(!sandbox.processes.has(key));
    });

    it("refuses a name that is in use or invalid", async () => {
      const relay = { pid: process.pid, startTicks: place.os.self.startTicks };
      const request = { containerId: sandbox.host.id, document: { args: ["true"], cwd: "/" }, terminal: false, relay };
      const attached = await place.exec(sandbox, "taken", ["/bin/sleep", "1000"]);
      assert.match(
        await codeAndMessage(() => execProcess(sandbox, { ...request, execId: "taken" })),
        /^process\/exists/,
      );
      assert.match(
        await codeAndMessage(() => execProcess(sandbox, { ...request, execId: "a/b" })),
        /^container\/bad-id/,
      );
      attached.hangUp();
      await attached.process.exited;
    });
  });
});
