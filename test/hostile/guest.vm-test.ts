/**
 * A guest under an attacker's control attacks the shim and the verbs: they name the fault, use a bounded amount of
 * memory, and leave nothing. The agent is a program of this directory and runs under the driver without a VM;
 * everything else is the real product.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { type Bundle, shell } from "../support/bundle.ts";
import { begin, execute, type Finished, describe as show } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { processOf, sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";
import { HostileInstall } from "./hostile-install.ts";
import { ShimMemory } from "./shim-memory.ts";

/**
 * The limit for a shim, whatever its guest does; a fresh shim has some 50 MiB, of which 40 are the pages of Node's
 * program.
 */
const memoryLimitMiB = 110;
/** The size of an error that includes the guest's last messages, so that people can still read it. */
const errorLimitBytes = 64 * 1024;
/** Lies that a host can only answer with a timeout. */
const silent = ["no answer to anything", "a flood of openings", "an answer that stops in the middle"];

describe("a guest that lies", onlyKumite, () => {
  let place: Workplace;
  let install: HostileInstall;
  let bundle: Bundle;
  let config: string;
  before(async () => {
    place = await Workplace.open("hostile");
    install = await HostileInstall.make(place.path("install"));
    bundle = await place.bundle(shell("true"));
    config = place.path("configuration.toml");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  const argv = (...words: string[]): string[] => [install.program, "--root", place.root, "--config", config, ...words];

  /** Runs the test with a shim whose memory is watched. */
  async function withLie(lie: string, act: (id: string) => Promise<void>): Promise<number> {
    await install.tell(lie);
    // Short only where nothing else ends the wait: a slow host needs a while to hear the lie.
    const seconds = silent.includes(lie) ? 2 : 60;
    await writeFile(config, `[runtime]\nhypervisor = "process"\n[agent.kata]\ndial_timeout = ${seconds}\n`);
    const id = place.newId();
    await using memory = new ShimMemory(id);
    try {
      await act(id);
    } finally {
      await place.remove(id);
    }
    assert.ok(memory.peakMiB < memoryLimitMiB, `the shim had ${memory.peakMiB.toFixed(0)} MiB`);
    return memory.peakMiB;
  }

  /** Runs the container in the background without its streams. */
  async function runDetached(id: string): Promise<void> {
    const quiet = ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh"];
    const finished = await execute([...quiet, ...argv("run", "--detach", "--bundle", bundle.directory, id)]);
    assert.equal(finished.status, 0, show(finished));
  }

  /** The error has words, a limited size, and no characters that could control a terminal. */
  function explained(finished: Finished, about: RegExp): void {
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /^kumite: /, show(finished));
    assert.match(finished.stderr, about, show(finished));
    presentable(finished.stderr);
  }

  function presentable(text: string, limitBytes = errorLimitBytes): void {
    assert.ok(text.length < limitBytes, `${text.length} characters`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are looked for
    assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    assert.doesNotMatch(text, /\n {2,}at /, "no stack trace");
  }

  const failing: Readonly<Record<string, RegExp>> = {
    "noise instead of frames": /protocol|the peer sent/,
    "a frame of the largest length": /the peer sent 4294967295 bytes/,
    "half a header": /in the middle of a frame/,
    "data for streams that nobody opened": /stream 4711, which was never opened/,
    "a flood of openings": /the guest did not start/,
    "a flood of pings, whose answers it does not read": /reads none of the answers/,
    "no answer to anything": /first answer took longer than 2000 ms/,
    "an answer of the largest length": /a frame of 2147483647 bytes/,
    "an answer that stops in the middle": /the guest did not start/,
    "answers to what was never asked": /stream 4711, which was never opened/,
    "a request where an answer belongs": /a frame of type 1/,
    "noise as its version": /malformed|no answer/,
    "an error that fills the terminal": /no/,
    "noise as the answer to a create": /./,
  };
  for (const [lie, about] of Object.entries(failing)) {
    it(`(${lie}) is named in the error, and its create leaves nothing`, async () => {
      await withLie(lie, async (id) => {
        explained(await execute(argv("run", "--bundle", bundle.directory, id)), about);
        assert.notEqual((await place.runtime(["state", id])).status, 0, "nothing is known of it");
      });
    });
  }

  for (const lie of ["no answer to a create", "no answer to a start"]) {
    it(`(${lie}) cannot prevent its own end`, async () => {
      await withLie(lie, async (id) => {
        const running = begin(argv("run", "--bundle", bundle.directory, id));
        await processOf(id, "agent");
        if (lie.endsWith("start")) await place.untilStatusOf(id, "created");
        running.child.kill("SIGTERM");
        presentable((await running.finished).stderr);
        await eventually("its end", () => (sandboxProcesses(id).size === 0 ? true : undefined));
      });
    });
  }

  it("(no end of the container, and no answer to a signal) is deleted by force", async () => {
    await withLie("no end of the container, and no answer to a signal", async (id) => {
      await runDetached(id);
      await place.must(["delete", "--force", id]);
      assert.deepEqual([...sandboxProcesses(id)], []);
    });
  });

  const statuses: Readonly<Record<string, number>> = {
    "an exit status beyond what there is": 255,
    "a negative exit status": 255,
    // An unreadable answer ends the VM, like the death of the agent.
    "noise as the exit status": 137,
  };
  for (const [lie, status] of Object.entries(statuses)) {
    it(`(${lie}) ends its container with ${status}`, async () => {
      await withLie(lie, async (id) => {
        const finished = await execute(argv("run", "--bundle", bundle.directory, id));
        assert.equal(finished.status, status, show(finished));
        presentable(finished.stderr);
      });
    });
  }

  it("(absurd statistics) is reported with a bounded message", async () => {
    await withLie("absurd statistics", async (id) => {
      await runDetached(id);
      const events = await place.must(["events", "--stats", id]);
      JSON.parse(events.stdout);
      presentable(events.stdout.trimEnd());
      const processes = await place.runtime(["ps", id]);
      // As long as the table of a guest with thousands of processes may be.
      presentable(processes.stdout + processes.stderr, 2 * 1024 * 1024);
    });
  });

  it("(a gibibyte of output) reaches a caller that reads it", async () => {
    const peak = await withLie("a gibibyte of output", async (id) => {
      const running = begin(argv("run", "--bundle", bundle.directory, id), { timeoutMs: 300_000 });
      let length = 0;
      running.child.stdout?.removeAllListeners("data");
      running.child.stdout?.on("data", (chunk: Buffer) => (length += chunk.length));
      assert.equal((await running.finished).status, 0);
      assert.equal(length, 1024 * 1024 * 1024);
    });
    process.stdout.write(`the shim under a gibibyte of output: ${peak.toFixed(0)} MiB at most\n`);
  });

  it("(a gibibyte of output) is held up by a caller that does not read it, and nothing else is", async () => {
    await withLie("a gibibyte of output", async (id) => {
      const running = begin(argv("run", "--bundle", bundle.directory, id), { timeoutMs: 300_000 });
      running.child.stdout?.removeAllListeners("data");
      running.child.stdout?.pause();
      await place.untilStatusOf(id, "running");
      await place.must(["events", "--stats", id]);
      await place.must(["delete", "--force", id]);
      running.child.stdout?.resume();
      await running.finished;
    });
  });

  it("(more output than any window allows) loses its connection, and its container is stopped", async () => {
    await withLie("more output than any window allows", async (id) => {
      const finished = await execute(argv("run", "--bundle", bundle.directory, id));
      assert.notEqual(finished.status, 0, show(finished));
      presentable(finished.stderr);
    });
  });

  it("(a gibibyte on its console) fills neither memory nor disk", async () => {
    await withLie("a gibibyte on its console", async (id) => {
      await runDetached(id);
      const shim = await processOf(id, "shim");
      await eventually("much was said", () => (charactersRead(shim) > 64 * 1024 * 1024 ? true : undefined), 180_000);
      const { stdout } = await place.must(["logs", id]);
      assert.ok(stdout.length < 2 * 1024 * 1024, `${stdout.length}`);
    });
  });
});

/** The number of characters that a process has read so far, from any file. */
function charactersRead(pid: number): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}
