/** The settings of configuration file, command line and annotations reach the VM. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { type OciConfig, shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { Workplace } from "../support/workplace.ts";

const memory = "io.katacontainers.config.hypervisor.default_memory";
const parameters = "io.katacontainers.config.hypervisor.kernel_params";

function annotated(annotations: Record<string, string>) {
  return (config: OciConfig): void => {
    config.annotations = annotations;
  };
}

describe("a configured VM", () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("configuration");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("follows the file, the annotations of its bundle and the command line, which has the highest precedence", async () => {
    const file = place.path("configuration.toml");
    await writeFile(
      file,
      `[hypervisor.qemu]
      kernel_params = "kumite.from=file"
      default_memory = 1000
      enable_annotations = ["default_memory", "kernel_params"]
      [agent.kata]
      kernel_modules = ["virtio-net napi_tx=0"]`,
    );
    const bundle = await place.bundle(
      shell("cat /proc/cmdline; grep MemTotal /proc/meminfo; cat /sys/module/virtio_net/parameters/napi_tx"),
      annotated({ [memory]: "2000", [parameters]: "kumite.more=annotation" }),
    );
    const words = [
      "--config",
      file,
      "--set",
      "hypervisor.qemu.default_memory=300",
      "run",
      "--bundle",
      bundle.directory,
    ];
    const finished = await place.runtime([...words, place.newId()]);
    assert.equal(finished.status, 0, show(finished));
    assert.match(finished.stdout, /kumite\.from=file kumite\.more=annotation\n/);
    assert.match(finished.stdout, /^N$/m);
    const kiB = Number(/MemTotal:\s*(\d+) kB/.exec(finished.stdout)?.[1]);
    // How much of its memory the kernel leaves depends on how much may be added.
    assert.ok(kiB > 100 * 1024 && kiB < 300 * 1024, `${kiB}`);
  });

  it("is not started without a kernel module that is configured, and nothing is left", async () => {
    const bundle = await place.bundle(shell("true"));
    const words = ["--set", "agent.kata.kernel_modules=no_such_module", "run", "--bundle", bundle.directory];
    const finished = await place.runtime([...words, place.newId()]);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /the guest has no kernel module "no_such_module"/);
    assert.match(finished.stderr, /try: correct kernel_modules/);
  });

  it("is not started because of an annotation that is not enabled, and nothing is left", async () => {
    const bundle = await place.bundle(shell("true"), annotated({ [memory]: "2000" }));
    const finished = await place.runtime(["run", "--bundle", bundle.directory, place.newId()]);
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, new RegExp(`annotation ${memory} is not enabled`));
    assert.match(finished.stderr, /try: .*enable_annotations/);
  });
});
