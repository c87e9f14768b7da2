import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../../test/support/node-os.ts";
import type { Os } from "../../sys/os.ts";
import { KumiteError, SystemError } from "../../util/errors.ts";
import { explainIoUring, requireIoUring } from "./io-uring.ts";

const os = testOs();

function hostWhere(value: string | undefined): Os {
  const readText: Os["files"]["readText"] = async (path) => {
    if (value === undefined) throw new SystemError("ENOENT", "open", path);
    return `${value}\n`;
  };
  return { ...os, files: { ...os.files, readText } };
}

describe("io_uring for disks", () => {
  it("is refused where the host's kernel forbids it, before anything is made", async () => {
    for (const value of ["1", "2"]) {
      await assert.rejects(requireIoUring(hostWhere(value), [{ aio: "threads" }, { aio: "io_uring" }]), {
        code: "hypervisor/unsupported",
        message: `block_device_aio is io_uring, which this host forbids: kernel.io_uring_disabled is ${value}`,
        hint: /block_device_aio = "threads"/,
      });
    }
    await requireIoUring(hostWhere("2"), [{ aio: "threads" }, {}]);
    for (const value of ["0", undefined]) await requireIoUring(hostWhere(value), [{ aio: "io_uring" }]);
  });

  it("is what a failure of QEMU is about that says so, and no other", () => {
    const said = new Error("qemu: Unable to use io_uring: failed to init linux io_uring ring: Operation not permitted");
    const failed = (cause: Error) => new KumiteError("hypervisor/start-failed", "the VM did not start", { cause });
    const explained = explainIoUring(failed(said));
    assert.ok(explained instanceof KumiteError && explained.cause instanceof KumiteError);
    assert.equal(explained.code, "hypervisor/unsupported");
    for (const text of ["out of memory", "-blockdev file.aio=io_uring: Could not open '/x': Permission denied"]) {
      const other = failed(new Error(text));
      assert.equal(explainIoUring(other), other);
    }
  });
});
