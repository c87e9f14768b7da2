/** podman and clones of a template: the configuration asks for them, and podman sees no difference. */
import assert from "node:assert/strict";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { execute, describe as show } from "../../support/command.ts";
import { expectNothingNew, guardAgainstLeftOvers, lookAtMachine, type Machine } from "../../support/left-overs.ts";
import { sandboxProcesses } from "../../support/sandbox.ts";
import { makeTestDirectory } from "../../support/test-directory.ts";
import { onlyKumite, runtimePath } from "../../support/workplace.ts";
import { Podman } from "./podman.ts";

describe("podman and a container in a clone", onlyKumite, () => {
  let podman: Podman;
  let start: Machine;
  let directory: string;
  let runtime: string;

  before(async () => {
    directory = makeTestDirectory("podman-clone");
    const config = path.join(directory, "configuration.toml");
    writeFileSync(
      config,
      `[factory]
enable_template = true
template_path = "${directory}/templates"
[runtime]
rootfs_writes = "guest"
rootfs_image_directory = "${directory}/images"
rootfs_upper_directory = "${directory}/uppers"
`,
    );
    runtime = path.join(directory, "kumite");
    writeFileSync(runtime, `#!/bin/sh\nexec ${runtimePath} --config ${config} "$@"\n`);
    chmodSync(runtime, 0o755);
    podman = await Podman.open(runtime);
    start = lookAtMachine();
  });
  after(async () => {
    await podman[Symbol.asyncDispose]();
    await execute([runtime, "factory", "destroy"]);
    rmSync(directory, { recursive: true });
    await expectNothingNew(start);
  });
  guardAgainstLeftOvers(() => ({ ignored: [podman.ownMount] }));

  it("run and exec work, and no daemon serves its files", async () => {
    const id = await podman.start([], ["sh", "-c", "echo began; while :; do sleep 1; done"]);
    assert.ok(!sandboxProcesses(`libpod-${id}`).has("virtiofsd"));
    assert.equal(
      await podman.ask(["exec", id, "sh", "-c", "echo x > /new; cat /new; hostname"]),
      `x\n${id.slice(0, 12)}`,
    );
    assert.equal(await podman.ask(["logs", id]), "began");
    await podman.must(["rm", "--force", "--time", "0", id]);
  });

  it("run passes output, input and the exit status", async () => {
    const finished = await podman.run(["--interactive"], ["sh", "-c", "cat; exit 42"], { stdin: "through\n" });
    assert.deepEqual([finished.stdout, finished.status], ["through\n", 42], show(finished));
  });
});
