import { shell } from "../contract/scratch.ts";
import { engineOs } from "./engine-os.ts";
import { assert } from "./testing/assert.ts";
import { describe, it } from "./testing/suite.ts";

const os = engineOs();

describe("ended child processes", () => {
  it("are left for the next program in this process, as long as requested", async () => {
    const first = os.processes.keepEnded();
    const second = os.processes.keepEnded();
    const child = await shell(os, "exit 7");
    await os.processes.waitGone(child);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    assert.equal((await os.processes.info(child.pid))?.state, "Z");
    second[Symbol.dispose]();
    assert.deepEqual(await child.exited, { kind: "exited", status: 7 });
    assert.equal(await os.processes.info(child.pid), undefined);
  });
});
