import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { Os } from "../sys/os.ts";
import { longestWaitMs } from "./processor-waits.ts";

/** A process whose threads have these files. */
function osWith(...schedstats: readonly string[]): Os {
  const os = testOs();
  const list = async () => schedstats.map((_, index) => String(index));
  const readText = async (file: string) => schedstats[Number(file.split("/").at(-2))] ?? "";
  return { ...os, files: { ...os.files, list, readText } };
}

describe("the waits of a VMM for a processor", () => {
  it("are those of the thread that has waited longest", async () => {
    const os = osWith("900000000 250000000 7\n", "1000000 4000500000 12\n");
    assert.equal(await longestWaitMs(os, 7), 4000.5);
  });

  it("are nothing where the kernel does not count them, and of a process that has ended", async () => {
    assert.equal(await longestWaitMs(osWith("", "nonsense\n"), 7), 0);
    assert.equal(await longestWaitMs(osWith(), 7), 0);
  });

  it("are known of a running process, whose file has the expected form", async () => {
    const os = testOs();
    const file = `/proc/${process.pid}/task/${process.pid}/schedstat`;
    assert.match(await os.files.readText(file), /^\d+ \d+ \d+\n$/);
    assert.ok((await longestWaitMs(os, process.pid)) >= 0);
  });
});
