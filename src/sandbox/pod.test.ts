import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { nobody, readJournal } from "../persist/journal.ts";
import { containerPaths } from "../persist/paths.ts";
import { readRecord } from "../persist/record.ts";
import { encodeUtf8 } from "../util/text.ts";
import { addContainer } from "./add.ts";
import { statusOf } from "./container.ts";
import { deleteProcess } from "./delete.ts";
import { killProcess } from "./kill.ts";
import { discardContainer } from "./leave.ts";
import { observeContainer } from "./observe.ts";
import { pauseContainer, resumeContainer } from "./pause.ts";
import type { ProcessKey } from "./process.ts";
import { processIds } from "./processes.ts";
import { recoverContainer } from "./recover.ts";
import { codeAndMessage, type Patch, SandboxPlace } from "./sandbox.testing.ts";
import type { Sandbox } from "./sandbox.ts";
import { startProcess } from "./start.ts";
import { containerStats } from "./stats.ts";
import { stopSandbox } from "./stop.ts";
import { updateContainer } from "./update.ts";

const never = new AbortController().signal;
const sigkill = 9;

function shell(script: string): Patch {
  return (spec) => {
    spec.process.args = ["/bin/sh", "-c", script];
  };
}

function own(id: string): ProcessKey {
  return { containerId: id, execId: undefined };
}

describe("a sandbox with several containers", () => {
  let place: SandboxPlace;
  let sandbox: Sandbox;

  before(async () => {
    place = await SandboxPlace.open();
    sandbox = (await place.run("sleep 1000")).sandbox;
  });
  after(() => place.close());

  it("runs each to its own end, with its own streams and status, and continues", async () => {
    const first = await place.add(sandbox, shell("cat; exit 3"));
    const second = await place.add(sandbox, shell("echo other; exit 4"));
    for (const { created } of [first, second]) await startProcess(sandbox, created.container.process.key, never);
    await first.own.stdin.write(encodeUtf8("mine"));
    await first.own.stdin.end();
    assert.equal((await second.own.process.exited).exitStatus, 4);
    assert.equal((await first.own.process.exited).exitStatus, 3);
    assert.equal(await first.own.stdout, "mine");
    assert.equal(await second.own.stdout, "other\n");
    const record = await readRecord(place.os, first.created.container.paths.state);
    assert.equal(record?.status.phase === "stopped" && record.status.exitStatus, 3);
    assert.equal(sandbox.state.phase, "running");
    for (const { created } of [first, second]) await deleteProcess(sandbox, created.container.process.key);
  });

  it("keeps nothing of an ended container in the guest and nothing shared, and of a deleted one no journal", async () => {
    const { created } = await place.add(sandbox, shell("exit 0"));
    const { id, paths, process } = created.container;
    const { tree, vm } = sandbox.running();
    assert.ok(existsSync(`${tree.mounts}/${id}/rootfs/bin`));
    const steps = (await readJournal(place.os, paths.journal))?.steps.length ?? 0;
    await startProcess(sandbox, process.key, never);
    await process.exited;
    await created.container.stopping;
    assert.ok(!existsSync(`${tree.mounts}/${id}`));
    const stage = await place.os.files.list(tree.stage);
    assert.deepEqual(stage, []);
    await assert.rejects(vm.agent.statsContainer({ containerId: id }), /does not exist/);
    const journal = await readJournal(place.os, paths.journal);
    assert.ok((journal?.steps.length ?? 0) < steps, "what was shared is undone");
    assert.equal(journal?.owner.pid, place.os.self.pid);
    await deleteProcess(sandbox, process.key);
    assert.deepEqual((await readJournal(place.os, paths.journal))?.owner, nobody);
    assert.equal((await observeContainer(place.os, place.root, id)).status, "stopped");
    await recoverContainer(place.os, place.root, id);
    assert.ok(!existsSync(paths.directory));
    assert.match(await codeAndMessage(() => sandbox.container(id)), /does not exist/);
  });

  it("accepts an id again after its container was deleted, not before", async () => {
    const prepared = await place.prepareIn(sandbox);
    const request = { ...prepared, bundle: place.directory };
    const first = await addContainer(sandbox, request, never);
    assert.match(await codeAndMessage(addContainer(sandbox, request, never)), /container\/exists/);
    await deleteProcess(sandbox, first.container.process.key);
    const again = await addContainer(sandbox, request, never);
    await deleteProcess(sandbox, again.container.process.key);
  });

  it("gives them one /dev/shm, IPC and UTS namespace, and the pid namespace of the first to those that ask for it", async () => {
    const { sandbox: pod, own: first } = await place.run("echo pod > /dev/shm/note; exec sleep 1000", (spec) => {
      spec.hostname = "pod";
    });
    const path = (name: string) => `/proc/${first.process.relay.pid}/ns/${name}`;
    const script = `until [ -s /dev/shm/note ]; do :; done; cat /dev/shm/note; hostname; ps -o args | grep -c 'slee[p]'
      readlink /proc/self/ns/ipc`;
    const ipcs: (string | undefined)[] = [];
    for (const shares of [true, false]) {
      const { own: member } = await place.add(pod, (spec) => {
        shell(script)(spec);
        spec.hostname = "other";
        spec.linux.namespaces = [{ type: "mount" }, { type: "ipc", path: path("ipc") }, { type: "uts" }];
        spec.linux.namespaces.push(shares ? { type: "pid", path: path("pid") } : { type: "pid" });
      });
      await startProcess(pod, member.process.key, never);
      const [note, name, sleeping, ipc] = (await member.stdout).split("\n");
      assert.deepEqual([note, name, sleeping], ["pod", "pod", shares ? "1" : "0"]);
      ipcs.push(ipc);
    }
    assert.equal(ipcs[0], ipcs[1]);
    const refused = place.add(pod, (spec) => {
      spec.linux.namespaces = [{ type: "mount" }, { type: "ipc", path: "/proc/1/ns/ipc" }];
    });
    assert.match(await codeAndMessage(refused), /oci\/unsupported.*ipc namespace \/proc\/1\/ns\/ipc cannot be joined/);
    await stopSandbox(pod);
  });

  it("keeps failures from the other containers, and leaves nothing of them", async () => {
    const { id, document, relay } = await place.prepareIn(sandbox);
    document.process.args = ["/no/such/program"];
    const request = { id, bundle: place.directory, document, relay };
    assert.match(await codeAndMessage(addContainer(sandbox, request, never)), /process\/executable-not-found/);
    assert.ok(!sandbox.containers.has(id));
    assert.ok(!existsSync(`${sandbox.running().tree.mounts}/${id}`));
    assert.deepEqual((await readJournal(place.os, containerPaths(place.root, id).journal))?.owner, nobody);
    const { own: well } = await place.add(sandbox, shell("exit 9"));
    await startProcess(sandbox, well.process.key, never);
    assert.equal((await well.process.exited).exitStatus, 9);
  });

  it("undoes a create whose caller disconnects, and one that is discarded meanwhile", async () => {
    const { id, document, relay } = await place.prepareIn(sandbox);
    const caller = new AbortController();
    const adding = addContainer(sandbox, { id, bundle: place.directory, document, relay }, caller.signal);
    caller.abort();
    assert.match(await codeAndMessage(adding), /aborted/);
    assert.ok(!sandbox.containers.has(id));

    const other = await place.prepareIn(sandbox);
    const discarded = addContainer(sandbox, { ...other, bundle: place.directory }, never);
    const failing = codeAndMessage(discarded);
    await discardContainer(sandbox, other.id);
    assert.match(await failing, /aborted/);
    assert.ok(!sandbox.containers.has(other.id));
    await discardContainer(sandbox, "never-heard-of");
    assert.match(await codeAndMessage(discardContainer(sandbox, sandbox.host.id)), /usage\/invalid/);
  });

  it("refuses in each of its containers what the state of that container does not allow", async () => {
    const { created, own: attached } = await place.add(sandbox, shell("sleep 1000"));
    const { id, process } = created.container;
    const refused = async (action: () => Promise<unknown>): Promise<void> => {
      assert.match(await codeAndMessage(action), /^container\/wrong-state/);
    };
    // Created.
    await refused(() => pauseContainer(sandbox, id));
    await refused(() => resumeContainer(sandbox, id));
    await refused(() => processIds(sandbox, id));
    await updateContainer(sandbox, id, {});
    await startProcess(sandbox, process.key, never);
    // Running.
    await refused(() => startProcess(sandbox, process.key, never));
    await refused(() => resumeContainer(sandbox, id));
    await refused(() => deleteProcess(sandbox, process.key));
    assert.ok((await processIds(sandbox, id)).length > 0);
    await containerStats(sandbox, id);
    await pauseContainer(sandbox, id);
    // Paused.
    await refused(() => startProcess(sandbox, process.key, never));
    await refused(() => pauseContainer(sandbox, id));
    await refused(() => processIds(sandbox, id));
    await refused(() => updateContainer(sandbox, id, {}));
    await refused(() => deleteProcess(sandbox, process.key));
    assert.match(
      await codeAndMessage(place.exec(sandbox, "e", ["/bin/true"], { containerId: id })),
      /cannot exec in a paused container/,
    );
    await resumeContainer(sandbox, id);
    const exec = await place.exec(sandbox, "e", ["/bin/sh", "-c", "exit 6"], { containerId: id });
    assert.equal((await exec.process.exited).exitStatus, 6);
    await killProcess(sandbox, { key: process.key, signal: sigkill, all: false });
    assert.equal((await attached.process.exited).exitStatus, 137);
    // Stopped.
    await refused(() => startProcess(sandbox, process.key, never));
    await refused(() => pauseContainer(sandbox, id));
    await refused(() => killProcess(sandbox, { key: process.key, signal: sigkill, all: false }));
    await killProcess(sandbox, { key: process.key, signal: sigkill, all: true });
    await deleteProcess(sandbox, process.key);
  });

  it("lets no container run before its own one does, and ends them with it", async () => {
    const { sandbox: pod } = await place.create(shell("sleep 1000"));
    const { created, own: attached } = await place.add(pod, shell("sleep 1000"));
    const { id, process } = created.container;
    assert.match(
      await codeAndMessage(startProcess(pod, process.key, never)),
      /sandbox not running, impossible to start the container/,
    );
    await startProcess(pod, own(pod.host.id), never);
    await startProcess(pod, process.key, never);
    const exec = await place.exec(pod, "beside", ["/bin/sleep", "1000"], { containerId: id });
    await killProcess(pod, { key: own(pod.host.id), signal: sigkill, all: false });
    assert.equal((await attached.process.exited).exitStatus, 137);
    assert.equal((await exec.process.exited).exitStatus, 137);
    await pod.ended;
    assert.equal(statusOf(created.container), "stopped");
    const record = await readRecord(place.os, created.container.paths.state);
    assert.equal(record?.status.phase === "stopped" && record.status.exitStatus, 137);
    assert.match(await codeAndMessage(place.add(pod)), /sandbox .* is not running/);
  });

  it("undoes what is being added to it when it ends", async () => {
    const { sandbox: pod } = await place.run("sleep 1000");
    const { id, document, relay } = await place.prepareIn(pod);
    const failing = codeAndMessage(addContainer(pod, { id, bundle: place.directory, document, relay }, never));
    await stopSandbox(pod);
    assert.match(await failing, /aborted|container\/wrong-state|agent\/|not running/);
    assert.equal(pod.containers.size, 1);
  });
});
