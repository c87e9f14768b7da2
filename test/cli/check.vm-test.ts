/** `kumite check` and `kumite env`, on this host and with configurations that do not work here. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { execute, describe as show } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

interface Finding {
  readonly requirement: string;
  readonly verdict: "ok" | "note" | "missing";
  readonly found: string;
  readonly remedy?: string;
}

describe("this host", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("check");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers();

  it("can run containers, and check says how: KVM was tried with a kernel", async () => {
    const { stdout } = await place.must(["check", "--json"]);
    const { runs, findings } = JSON.parse(stdout) as { runs: boolean; findings: Finding[] };
    assert.equal(runs, true);
    const kvm = findings.find(({ requirement }) => requirement === "KVM");
    assert.ok(kvm !== undefined && kvm.verdict !== "missing");
    if (kvm.verdict === "note") assert.match(kvm.found, /^does not work \(.+\); VMs are emulated by QEMU instead/);
    const strict = await place.runtime(["kata-check", "--strict"]);
    assert.equal(strict.status, findings.some(({ verdict }) => verdict === "note") ? 1 : 0, show(strict));
    assert.ok(findings.every(({ verdict, remedy }) => (verdict === "ok") === (remedy === undefined)));
    const text = (await place.must(["check"])).stdout;
    assert.match(text, /\ncontainers can run here(, with \d restrictions?)?\n$|^containers can run here\n$/);
    const whole = (await place.must(["check", "--verbose"])).stdout;
    for (const { requirement } of findings) assert.match(whole, new RegExp(`^(ok|note) +${requirement} `, "m"));
  });

  it("cannot run containers of a configuration without QEMU, and check ends with 1 and the remedy", async () => {
    const file = place.path("configuration.toml");
    await writeFile(file, '[hypervisor.qemu]\npath = "/nowhere/qemu"\n');
    const finished = await place.runtime(["--config", file, "check"]);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stdout, /^missing {2}QEMU +there is no file \/nowhere\/qemu\n +try: install the package/m);
    assert.match(finished.stdout, /^containers cannot run here: \d of \d+ requirements are not met$/m);
    const broken = place.path("broken.toml");
    await writeFile(broken, "[hypervisor.qemu\n");
    const unreadable = await place.runtime(["--config", broken, "check"]);
    assert.equal(unreadable.status, 1, show(unreadable));
    assert.match(unreadable.stdout, new RegExp(`^missing {2}configuration +${broken}:1:`, "m"));
  });

  it("is checked completely for a caller without privileges, and other verbs say what to do", async () => {
    const withoutRights = (...words: string[]) => execute(["setpriv", "--bounding-set=-all", ...place.argv(...words)]);
    const checked = await withoutRights("check");
    assert.equal(checked.status, 1, show(checked));
    assert.match(checked.stdout, /^missing {2}root +lacks CAP_CHOWN, .*\n +try: run kumite as root on the host/m);
    assert.match(checked.stdout, /^containers cannot run here: \d+ of \d+ requirements are not met$/m);
    const bundle = await place.bundle();
    const refused = await withoutRights("run", "--bundle", bundle.directory, place.newId());
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /\n {2}try: .*`kumite check`/);
  });

  it("is reported to lack each right without which no container starts, and none starts then", async () => {
    const bundle = await place.bundle();
    for (const right of ["setpcap", "setuid", "mknod"]) {
      const without = (...words: string[]) => execute(["setpriv", `--bounding-set=-${right}`, ...place.argv(...words)]);
      const checked = await without("check");
      assert.equal(checked.status, 1, show(checked));
      assert.match(checked.stdout, new RegExp(`^missing {2}root +lacks CAP_${right.toUpperCase()}\n`, "m"));
      const refused = await without("run", "--bundle", bundle.directory, place.newId());
      assert.notEqual(refused.status, 0, show(refused));
      assert.match(refused.stderr, /operation not permitted|capng_apply failed/);
      assert.match(refused.stderr, /\n {2}try: .*`kumite check`/);
    }
  });

  it("is described by env, as TOML and as JSON, even with a configuration that does not work", async () => {
    const facts = JSON.parse((await place.must(["env", "--json"])).stdout) as Record<string, Record<string, unknown>>;
    const sections = "Agent Host Hypervisor Image Initrd Kernel Meta Netmon Proxy Runtime Shim";
    assert.equal(Object.keys(facts).sort().join(" "), sections);
    assert.deepEqual(JSON.parse((await place.must(["kata-env", "--json"])).stdout).Shim, facts.Shim);
    assert.deepEqual(
      [facts.Proxy?.Type, facts.Shim?.InUse, facts.Netmon?.Enable, facts.Hypervisor?.BlockDeviceDriver],
      ["kata", false, false, "virtio-blk"],
    );
    assert.match(String(facts.Hypervisor?.Version), /^QEMU emulator version \d/);
    assert.match(String(facts.Hypervisor?.AcceleratorInUse), /^(kvm|tcg)$/);
    assert.match(String(facts.Kernel?.Version), /^\d+\.\d+/);
    assert.match(String(facts.Kernel?.Kind), /^(debian|tuned)$/);
    assert.match((await place.must(["env"])).stdout, /^\[Runtime\.Version\]\nSemver = "\d/m);
    const file = place.path("configuration.toml");
    await writeFile(file, "[hypervisor.qemu]\nenable_debug = 1\n");
    const { stdout } = await place.must(["--config", file, "env", "--json"]);
    const { Config } = (JSON.parse(stdout) as { Runtime: { Config: Record<string, unknown> } }).Runtime;
    assert.deepEqual([Config?.Path, Config?.Valid], [file, false]);
    assert.match(String(Config?.Problem), /enable_debug/);
  });
});
