/** A VM starts beside its shim, not after it, if everything that comes before it is known early enough. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { Bundle, OciConfig } from "../support/bundle.ts";
import { execute, describe as show } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { isBornBefore, parentOf, processOf } from "../support/sandbox.ts";
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

  it("leaves nothing when the container cannot be created in it", async () => {
    const broken = await place.bundle((config) => {
      config.process.args = ["/no/such/program"];
    });
    const failed = await place.run(broken);
    assert.notEqual(failed.status, 0);
    assert.match(failed.stderr, /\/no\/such\/program/);
  });
});
