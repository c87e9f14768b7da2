/** Library sandboxes whose VMs are clones of a template: they are saved and forked like sandboxes that booted. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type LiveSandbox, openSandbox, openSnapshot } from "../../src/index.ts";
import { execute, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testQemuFlags } from "../support/qemu.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

interface Opened {
  readonly sandbox: LiveSandbox;
  /** The sandbox's log. */
  readonly log: string;
}

describe("a sandbox of the library on a template", onlyKumite, () => {
  let place: Workplace;
  let root: string;
  let rootfs: string;
  let store: string;
  let first: Opened;

  before(async () => {
    place = await Workplace.open("library-template");
    root = place.path("root");
    store = path.join(place.directory, "templates");
    rootfs = path.join((await place.bundle()).directory, "rootfs");
    first = await open({ savable: true });
  });
  after(async () => {
    await first.sandbox.close();
    const config = place.path("configuration.toml");
    writeFileSync(config, `[factory]\ntemplate_path = "${store}"\n`);
    await succeed([runtimePath, "--config", config, "factory", "destroy"]);
    await place[Symbol.asyncDispose]();
  });
  guardAgainstLeftOvers(() => ({
    directories: [root, `${place.directory}/uppers`, "/run/kumite/s"],
    ignored: [`${root}/${first.sandbox.id}/`],
  }));

  async function open(options: { readonly savable?: boolean }): Promise<Opened> {
    const lines: string[] = [];
    const sandbox = await openSandbox({
      root,
      rootfs,
      memoryMiB: 256,
      set: [
        `runtime.rootfs_image_directory=${place.directory}/images`,
        `runtime.rootfs_upper_directory=${place.directory}/uppers`,
        "factory.enable_template=true",
        `factory.template_path=${store}`,
        ...testQemuFlags.filter((word) => word !== "--set"),
      ],
      log: (line) => lines.push(line),
      ...options,
    });
    return { sandbox, log: lines.join("\n") };
  }

  const said = async (sandbox: LiveSandbox, script: string): Promise<string> => {
    const { stdout, stderr, exitStatus } = await sandbox.run(["sh", "-c", script]);
    assert.equal(exitStatus, 0, stderr);
    return stdout;
  };
  const facts = "hostname; head -c 16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/boot_id";

  it("is a clone, has memory of its own so that it can be saved, and a QEMU that is not root", async () => {
    assert.match(first.log, /the VM is a clone of template [0-9a-f]+/);
    assert.deepEqual(first.sandbox.saving, { kind: "possible" });
    const maps = readFileSync(`/proc/${first.sandbox.machinePid}/maps`, "utf8");
    assert.doesNotMatch(maps, /memfd:kumite-template-[0-9a-f]{16} /, "nothing of the template is mapped");
    const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${first.sandbox.machinePid}/status`, "utf8"))?.[1];
    assert.notEqual(uid, "0");
  });

  it("is forked and saved, and each copy continues with the state it had and an identity of its own", async () => {
    await said(first.sandbox, "echo prepared > /state");
    const forks = await first.sandbox.forkMany(2, { savable: true });
    const directory = place.path("saved");
    const opened = [...forks];
    try {
      await first.sandbox.save(directory);
      await using snapshot = await openSnapshot(directory, { root });
      opened.push(await snapshot.restore());
      const all = [first.sandbox, ...opened];
      const answers = await Promise.all(all.map((each) => said(each, `cat /state; ${facts}`)));
      const lines = answers.map((text) => text.trim().split("\n"));
      for (const [state] of lines) assert.equal(state, "prepared");
      assert.deepEqual(
        lines.map(([, name]) => name),
        all.map(({ id }) => id),
      );
      assert.equal(new Set(lines.map(([, , random]) => random)).size, all.length);
      // A copy of a copy.
      const [again] = await (forks[0] as LiveSandbox).forkMany(1);
      opened.push(again as LiveSandbox);
      assert.equal(await said(again as LiveSandbox, "cat /state"), "prepared\n");
    } finally {
      await Promise.all(opened.map((each) => each.close()));
    }
  });

  it("does not change what others start with", async () => {
    await said(first.sandbox, "echo mine > /mine");
    const second = await open({ savable: true });
    try {
      assert.match(second.log, /the VM is a clone of template/);
      assert.equal(await said(second.sandbox, "ls /mine 2>/dev/null; hostname"), `${second.sandbox.id}\n`);
      const [one, two] = await Promise.all([first, second].map(({ sandbox }) => said(sandbox, facts)));
      const [, random, bootId] = (one ?? "").split("\n");
      assert.ok(random && bootId && !(two ?? "").includes(random) && !(two ?? "").includes(bootId));
    } finally {
      await second.sandbox.close();
    }
  });

  it("shares the template's memory with others when it need not be savable", async () => {
    const { sandbox, log } = await open({ savable: false });
    try {
      assert.match(log, /the VM is a clone of template/);
      assert.equal(sandbox.saving.kind, "impossible");
      assert.match(readFileSync(`/proc/${sandbox.machinePid}/maps`, "utf8"), /memfd:kumite-template-[0-9a-f]{16} /);
      assert.equal(await said(sandbox, "echo here"), "here\n");
    } finally {
      await sandbox.close();
    }
  });

  it("works after the template is gone", async () => {
    const config = place.path("configuration.toml");
    writeFileSync(config, `[factory]\ntemplate_path = "${store}"\n`);
    const { stdout } = await execute([runtimePath, "--config", config, "factory", "destroy", "--json"]);
    assert.equal((JSON.parse(stdout) as { removed: string[] }).removed.length, 1, "of one shape for all of them");
    const fork = await first.sandbox.fork();
    try {
      assert.equal(await said(fork, "cat /mine"), "mine\n");
    } finally {
      await fork.close();
    }
  });
});
