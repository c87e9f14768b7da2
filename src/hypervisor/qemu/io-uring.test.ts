import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../../test/support/node-os.ts";
import type { Os } from "../../sys/os.ts";
import { KumiteError, SystemError } from "../../util/errors.ts";
import type { Disk } from "../spec.ts";
import { orWithThreads } from "./io-uring.ts";

const os = testOs();

function hostWhere(value: string | undefined): Os {
  const readText: Os["files"]["readText"] = async (path) => {
    if (value === undefined) throw new SystemError("ENOENT", "open", path);
    return `${value}\n`;
  };
  return { ...os, files: { ...os.files, readText } };
}

type Aio = Pick<Disk, "aio">;
const both: readonly Aio[] = [{ aio: "native" }, { aio: "io_uring" }];

describe("io_uring for disks", () => {
  /** Records how each attempt accessed the disks, and what was logged. */
  async function attempts(
    host: string | undefined,
    disks: readonly Aio[],
    fail: (attempt: number) => Error | undefined = () => undefined,
  ): Promise<{ tried: unknown[]; logged: unknown[] }> {
    const [tried, logged]: [unknown[], unknown[]] = [[], []];
    const log = (_: string, message: string, fields?: Record<string, unknown>) =>
      logged.push([message, fields?.reason]);
    await orWithThreads(hostWhere(host), log, disks, async (these) => {
      tried.push(these.map(({ aio }) => aio));
      const error = fail(tried.length);
      if (error !== undefined) throw error;
    });
    return { tried, logged };
  }
  const told = "this host forbids io_uring: threads serve the disks instead";

  it("is not tried if the host's kernel forbids it, and one line says so", async () => {
    for (const value of ["1", "2"]) {
      assert.deepEqual(await attempts(value, both), {
        tried: [["native", "threads"]],
        logged: [[told, `kernel.io_uring_disabled is ${value}`]],
      });
    }
    assert.deepEqual(await attempts("2", [{ aio: "threads" }, {}]), { tried: [["threads", undefined]], logged: [] });
    for (const value of ["0", undefined]) {
      assert.deepEqual(await attempts(value, both), { tried: [["native", "io_uring"]], logged: [] });
    }
  });

  const failed = (cause: Error) => new KumiteError("hypervisor/start-failed", "the VM did not start", { cause });

  it("is given up, once, when QEMU fails because of it", async () => {
    const said = "qemu: Unable to use io_uring: failed to init linux io_uring ring: Operation not permitted";
    const { tried, logged } = await attempts(undefined, both, (attempt) =>
      attempt === 1 ? failed(new Error(said)) : undefined,
    );
    assert.deepEqual(tried, [
      ["native", "io_uring"],
      ["native", "threads"],
    ]);
    assert.deepEqual(logged, [[told, said]]);
    await assert.rejects(
      attempts(undefined, both, () => failed(new Error(said))),
      { code: "hypervisor/start-failed" },
    );
  });

  it("is not blamed for another failure", async () => {
    for (const text of ["out of memory", "-blockdev file.aio=io_uring: Could not open '/x': Permission denied"]) {
      const other = failed(new Error(text));
      let count = 0;
      await assert.rejects(
        attempts(undefined, both, () => {
          count += 1;
          return other;
        }),
        other,
      );
      assert.equal(count, 1);
    }
  });
});
