import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { eventually } from "../../../test/support/eventually.ts";
import { testInstallRoot } from "../../../test/support/node-os.ts";
import { isKumiteError, isSystemError } from "../../util/errors.ts";
import { HelperClient } from "./helper-client.ts";

const launcher = join(testInstallRoot, "kumite");
/** No process can have this pid, since the kernel's limit is 2^22. */
const nobody = { pid: 2 ** 22 + 1, startTicks: 1 };

/** Pids of this process's children that are helpers. */
function helpers(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && read(`/proc/${name}/cmdline`).startsWith("kumite-helper\0"))
    .map(Number)
    .filter((pid) => read(`/proc/${pid}/status`).includes(`PPid:\t${process.pid}\n`));
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

const noneLeft = () => eventually("the helper has ended", () => (helpers().length === 0 ? true : undefined));

describe("the helper of a Node process", () => {
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-helper-"));
  });
  after(() => rmSync(directory, { recursive: true }));

  it("starts with the first call, once, and ends some time after the last", async () => {
    const client = new HelperClient(launcher, { idleMs: 10 });
    assert.deepEqual(helpers(), []);
    await Promise.all([1, 2, 3].map(() => client.signal(nobody, 0)));
    assert.ok(helpers().length <= 1);
    await noneLeft();
    assert.equal(await client.signal(nobody, 0), false);
    await noneLeft();
  });

  it("is reported as missing by a call if it is no longer installed", async () => {
    const client = new HelperClient(join(directory, "gone/kumite"), { idleMs: 10 });
    await assert.rejects(client.unmount(directory, true), (error) => {
      assert.ok(isKumiteError(error, "install/incomplete"), String(error));
      assert.match(error.message, /gone\/kumite cannot be started: .*ENOENT|no such file/i);
      return true;
    });
  });

  it("stays as long as a lock is held", async () => {
    const client = new HelperClient(launcher, { idleMs: 0 });
    const file = join(directory, "lock");
    const held = await client.lock(file);
    const other = new HelperClient(launcher, { idleMs: 0 });
    const controller = new AbortController();
    const waiting = other.lock(file, controller.signal);
    controller.abort();
    await assert.rejects(waiting);
    assert.equal(helpers().length >= 1, true);
    await held[Symbol.asyncDispose]();
    await held[Symbol.asyncDispose]();
    await (await other.lock(file))[Symbol.asyncDispose]();
    await noneLeft();
  });

  it("that dies fails its pending calls, and the next call starts another one", async () => {
    const client = new HelperClient(launcher, { idleMs: 10 });
    const startTicks = Number(read("/proc/self/stat").split(") ")[1]?.split(" ")[19]);
    const waiting = client.waitGone({ pid: process.pid, startTicks });
    const [pid] = await eventually("a helper", () => (helpers().length === 1 ? helpers() : undefined));
    process.kill(pid ?? 0, "SIGKILL");
    await assert.rejects(waiting, (error) => isSystemError(error, "ECONNRESET"));
    assert.equal(await client.signal(nobody, 0), false);
    await noneLeft();
  });
});
