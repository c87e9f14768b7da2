/** A VM starts beside its shim, not after it, if everything that comes before it is known early enough. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { Gate, type Stop } from "../crash/gate.ts";
import type { Bundle, OciConfig } from "../support/bundle.ts";
import { execute, describe as show } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { isBornBefore, parentOf, processOf, sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

function lasting(config: OciConfig): void {
  config.process.args = ["/bin/sleep", "1000"];
}

describe("the VM of a new sandbox", onlyKumite, () => {
  let place: Workplace;
  let bundle: Bundle;
  before(async () => {
    place = await Workplace.open("ahead");
    bundle = await place.bundle(lasting);
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("starts before its shim loads its code, as its child, and only once", async () => {
    const id = await place.runDetached(bundle);
    // The relay is started as soon as the process that becomes the shim exists.
    for (const role of ["virtiofsd", "qemu"] as const) {
      assert.ok(await isBornBefore(id, role, "relay"), `${role} was started later`);
      assert.equal(parentOf(await processOf(id, role)), await processOf(id, "shim"));
    }
    const log = readFileSync(path.join(place.root, id, "shim.log"), "utf8");
    assert.doesNotMatch(log, /level=(warn|error)/);
    await place.remove(id);
  });

  it("starts after the hooks that have to run before it", async () => {
    const withHook = await place.bundle(lasting, (config) => {
      config.hooks = { createRuntime: [{ path: "/bin/true", args: ["true"] }] };
    });
    const id = await place.runDetached(withHook);
    assert.ok(await isBornBefore(id, "relay", "qemu"));
    await place.remove(id);
  });

  it("starts after its shim if the shim could not read its exit status otherwise", async () => {
    const id = place.newId();
    const words = place.argv("create", "--bundle", bundle.directory, id);
    const without = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
    // The container keeps the verb's streams.
    const created = await execute([...without, "sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...words]);
    assert.equal(created.status, 0, show(created));
    assert.ok(await isBornBefore(id, "relay", "qemu"));
    await place.remove(id);
  });

  /**
   * Runs a container; `meanwhile` is called when the verb has planned the VM, before the VM and the shim are started.
   */
  async function runChanged(
    config: string,
    meanwhile: () => void,
    then: (id: string) => Promise<void> = async () => {},
  ): Promise<void> {
    const id = place.newId();
    let done = false;
    const onStop = (stop: Stop): void => {
      if (!done && stop.call === "rename" && stop.to.endsWith(`${id}/journal.json`)) {
        done = /"key":"qemu"/.test(readFileSync(stop.from, "utf8"));
        if (done) meanwhile();
      }
      stop.goOn();
    };
    const argv = place.argv("--config", config, "run", "--detach", "--bundle", bundle.directory, id);
    const gate = await Gate.start(place.root, ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...argv], onStop);
    assert.equal(await gate.exited, 0, gate.errors);
    assert.ok(done, "the moment did not come");
    assert.equal(sandboxProcesses(id).get("qemu")?.length, 1);
    assert.doesNotMatch(readFileSync(path.join(place.root, id, "shim.log"), "utf8"), /level=(warn|error)/);
    await then(id);
    await place.remove(id);
    await gate.closed;
  }

  it("is replaced by the one that the shim plans if the configuration was changed before that", async () => {
    const config = place.path("configuration.toml");
    const configure = (memoryMiB: number) => {
      writeFileSync(config, `[hypervisor.qemu]\ndefault_memory = ${memoryMiB}\n`);
    };
    configure(256);
    await runChanged(
      config,
      () => configure(320),
      async (id) => {
        const argv = readFileSync(`/proc/${await processOf(id, "qemu")}/cmdline`, "utf8");
        assert.match(argv, /\0-m\0[^\0]*320M/);
      },
    );
  });

  it("is replaced by another one if the shim has to find out anew whether KVM works", async () => {
    const config = place.path("configuration.toml");
    writeFileSync(config, "");
    await runChanged(config, () => rmSync("/run/kumite/kvm.json", { force: true }));
  });

  it("leaves nothing when the container cannot be created in it", async () => {
    const broken = await place.bundle((config) => {
      config.process.args = ["/no/such/program"];
    });
    const failed = await place.run(broken);
    assert.notEqual(failed.status, 0);
    assert.match(failed.stderr, /\/no\/such\/program/);
  });
});
