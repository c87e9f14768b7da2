import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../util/errors.ts";
import { type ProcessKey, SandboxProcess } from "./process.ts";
import { ProcessTable } from "./process-table.ts";

const never = new AbortController().signal;
const relay = { pid: 10, startTicks: 20 };

function made(key: ProcessKey): SandboxProcess {
  return new SandboxProcess({ key, terminal: false, relay });
}

describe("the processes of a sandbox", () => {
  const own: ProcessKey = { containerId: "web", execId: undefined };
  const exec: ProcessKey = { containerId: "web", execId: "e1" };

  it("are found by container and exec id", () => {
    const table = new ProcessTable();
    const [first, second] = [made(own), made(exec)];
    table.add(second);
    table.add(first);
    assert.equal(table.get(own), first);
    assert.equal(table.get(exec), second);
    assert.deepEqual(table.of("web"), [first, second]);
    assert.deepEqual(table.of("other"), []);
  });

  it("have a unique name", () => {
    const table = new ProcessTable();
    table.add(made(own));
    table.add(made(exec));
    assert.throws(
      () => table.add(made(own)),
      (error) => isKumiteError(error, "container/exists"),
    );
    assert.throws(
      () => table.add(made(exec)),
      (error) => isKumiteError(error, "process/exists"),
    );
  });

  it("free their name when they are removed, once", () => {
    const table = new ProcessTable();
    const first = made(exec);
    table.add(first);
    table.remove(first);
    const second = made(exec);
    table.add(second);
    table.remove(first);
    assert.equal(table.get(exec), second);
  });

  it("are named in the error when they do not exist", () => {
    const table = new ProcessTable();
    assert.throws(() => table.get(own), { message: "container web does not exist", code: "container/not-found" });
    assert.throws(() => table.get(exec), {
      message: "process e1 of container web does not exist",
      code: "process/not-found",
    });
  });

  it("can be waited for by several callers before they exist", async () => {
    const table = new ProcessTable();
    const waiting = [table.awaited(exec, never), table.awaited(exec, never)];
    table.add(made(own));
    const process = made(exec);
    table.add(process);
    assert.deepEqual(await Promise.all(waiting), [process, process]);
  });

  it("are waited for by a limited number of callers", async () => {
    const table = new ProcessTable();
    const given = new AbortController();
    const waiting = Array.from({ length: 256 }, () => table.awaited(exec, given.signal).catch(() => "given up"));
    await assert.rejects(table.awaited(exec, never), (error) => isKumiteError(error, "process/not-found"));
    given.abort();
    assert.ok((await Promise.all(waiting)).every((result) => result === "given up"));
    const late = table.awaited(exec, never);
    table.add(made(exec));
    await late;
  });
});

describe("a process", () => {
  const key: ProcessKey = { containerId: "web", execId: undefined };

  it("has one relay, the one that was announced", () => {
    const process = made(key);
    const other = { pid: 10, startTicks: 21 };
    assert.throws(() => process.attachRelay(other, never, () => {}), /process 10 is not the relay of container web/);
    process.attachRelay(relay, never, () => {});
    assert.throws(() => process.attachRelay(relay, never, () => {}), /already has a relay/);
  });

  it("is told once that its relay is gone", () => {
    const process = made(key);
    const connection = new AbortController();
    let lost = 0;
    process.attachRelay(relay, connection.signal, () => (lost += 1));
    assert.ok(!process.relayLost);
    connection.abort();
    connection.abort();
    assert.equal(lost, 1);
    assert.ok(process.relayLost);
  });

  it("stays stopped with its first status, and reports it only after it is announced", async () => {
    const process = made(key);
    let told: unknown;
    void process.exited.then((exit) => {
      told = exit;
    });
    process.stop({ exitStatus: 3, exitedMs: 1 });
    process.stop({ exitStatus: 4, exitedMs: 2 });
    process.moveTo({ phase: "running", startedMs: 5 });
    assert.deepEqual(process.state, { phase: "stopped", exitStatus: 3, exitedMs: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(told, undefined);
    process.announce();
    assert.deepEqual(await process.exited, { exitStatus: 3, exitedMs: 1 });
  });
});
