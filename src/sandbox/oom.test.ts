import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KumiteError } from "../util/errors.ts";
import { silentLogger } from "../util/log.ts";
import { Queue } from "../util/queue.ts";
import { awaitOom } from "./oom.ts";
import { type Exit, SandboxProcess } from "./process.ts";
import { Sandbox, type SandboxHost } from "./sandbox.ts";

const never = new AbortController().signal;
const exit: Exit = { exitStatus: 137, exitedMs: 1 };

/** A sandbox whose guest reports the events of the test. */
function sandboxWith(getOOMEvent: () => Promise<{ containerId: string; kumiteKills?: number }>) {
  const sandbox = new Sandbox({ log: silentLogger, id: "web" } as unknown as SandboxHost);
  const key = { containerId: "web", execId: undefined };
  const process = new SandboxProcess({ key, terminal: false, relay: { pid: 1, startTicks: 1 } });
  sandbox.containers.set("web", { id: "web", process } as never);
  sandbox.state = { phase: "running", vm: { agent: { getOOMEvent } }, tree: {} } as never;
  const end = (): void => {
    process.stop(exit);
    process.announce();
  };
  return { sandbox, process, end };
}

describe("lack of memory in a guest", () => {
  it("is counted from the first request on, for all who ask", async () => {
    const events = new Queue<string>();
    let asked = 0;
    const { sandbox, end } = sandboxWith(async () => {
      asked += 1;
      return { containerId: (await events.next()) ?? "" };
    });
    assert.equal(asked, 0);
    assert.deepEqual(await awaitOom(sandbox, "web", undefined, never), { count: 0, ended: false });
    assert.equal(asked, 1);
    const both = [awaitOom(sandbox, "web", 0, never), awaitOom(sandbox, "web", 0, never)];
    // An event for an unknown container does not block those for others.
    events.push("stranger");
    events.push("web");
    assert.deepEqual(await Promise.all(both), [
      { count: 1, ended: false },
      { count: 1, ended: false },
    ]);
    const last = awaitOom(sandbox, "web", 1, never);
    end();
    assert.deepEqual(await last, { count: 1, ended: true });
    assert.deepEqual(await awaitOom(sandbox, "web", undefined, never), { count: 1, ended: true });
  });

  it("counts each process of an event, up to the number that an agent may report at once", async () => {
    const events = new Queue<number>();
    const { sandbox } = sandboxWith(async () => ({ containerId: "web", kumiteKills: (await events.next()) ?? 0 }));
    await awaitOom(sandbox, "web", undefined, never);
    let seen = 0;
    for (const [kills, count] of [
      [3, 3],
      [1, 4],
      // From an agent that does not report a number.
      [0, 5],
      [0xffff_ffff, 69],
    ] as const) {
      events.push(kills);
      const told = await awaitOom(sandbox, "web", seen, never);
      assert.equal(told.count, count);
      seen = told.count;
    }
  });

  it("ends for callers that ask after the container's end, even if nobody was told of that yet", async () => {
    const { sandbox, process } = sandboxWith(() => new Promise(() => {}));
    assert.deepEqual(await awaitOom(sandbox, "web", undefined, never), { count: 0, ended: false });
    process.stop(exit);
    assert.deepEqual(await awaitOom(sandbox, "web", 0, never), { count: 0, ended: true });
  });

  it("is not reported by an agent that does not support it, without harm", async () => {
    const { sandbox, end } = sandboxWith(() => Promise.reject(new KumiteError("agent/failed", "unimplemented")));
    const waiting = awaitOom(sandbox, "web", 0, never);
    end();
    assert.deepEqual(await waiting, { count: 0, ended: true });
  });

  it("is not waited for longer than the caller waits", async () => {
    const { sandbox } = sandboxWith(() => new Promise(() => {}));
    const caller = new AbortController();
    const waiting = awaitOom(sandbox, "web", 0, caller.signal);
    caller.abort();
    await assert.rejects(waiting, { code: "aborted" });
    await assert.rejects(awaitOom(sandbox, "other", 0, never), { code: "container/not-found" });
  });
});
