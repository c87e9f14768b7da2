/** The host's part of CPU limits with cgroup version 2. The test host may lack it; a guest always has it. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { buildExecutable } from "../../tools/engine/executable.ts";
import { describe as show } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

describe("CPU limits on a host with cgroup version 2", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("cgroup-v2");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("apply to the threads of a threaded group, which is removed with its VM", async () => {
    const program = path.join(place.directory, "program");
    const entry = path.join(import.meta.dirname, "../support/cgroup-v2-program.ts");
    await buildExecutable({ output: program, modules: [{ name: "cgroup-v2-program", entry }] });
    const bundle = await place.bundle((config) => {
      config.process.args = ["/program"];
      config.mounts = [
        ...config.mounts.filter(({ type }) => type !== "cgroup"),
        {
          destination: "/sys/fs/cgroup",
          type: "cgroup",
          source: "cgroup",
          options: ["rw", "nosuid", "noexec", "nodev"],
        },
        { destination: "/program", type: "bind", source: program, options: ["bind", "ro"] },
      ];
    });
    const finished = await place.run(bundle);
    assert.equal(finished.status, 0, show(finished));
    assert.deepEqual(JSON.parse(finished.stdout), {
      first: { kind: "limited", directory: "/sys/fs/cgroup/kumite/one/vm/vcpu" },
      merged: "9000 10000",
      changed: "20000 100000",
      throttled: true,
      types: ["domain threaded", "threaded"],
      onlyThread: true,
      isMember: true,
      unlimited: "max 100000",
      left: false,
      refused: { kind: "not-enforced", why: "the cpu controller is not delegated to the sandbox's cgroup" },
    });
  });
});
