/**
 * A clone starts beside its shim, like a VM that boots, whatever happens to its template between the verb's choice and
 * the shim's. Meanwhile the tests stop the verb at its writes to the journal.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { layerDiskBytes } from "../../src/storage/rootfs/image-cache.ts";
import { Gate, type Stop } from "../crash/gate.ts";
import { type Bundle, type OciConfig, shell } from "../support/bundle.ts";
import { succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testQemuFlags } from "../support/qemu.ts";
import { isBornBefore, parentOf, processOf, sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

const lasting = shell("exec sleep 1000");

const asLayers = (config: OciConfig): void => {
  config.annotations = { "io.kumite.rootfs": "layers" };
};

const asImage = (config: OciConfig): void => {
  config.annotations = { "io.kumite.rootfs": "image" };
};

describe("a clone", onlyKumite, () => {
  let place: Workplace;
  let store: string;
  let image: Bundle;

  before(async () => {
    place = await Workplace.open("clone-ahead");
    store = path.join(place.directory, "templates");
    image = await place.bundle(lasting, asImage);
    // The template exists from now on.
    await withTemplate(image, async () => {});
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root, uppers(), store] }));

  const uppers = () => path.join(place.directory, "uppers");
  const configFile = () => path.join(place.directory, "configuration.toml");
  const kumite = (...words: string[]) => [
    ...[runtimePath, "--root", place.root, "--config", configFile(), ...testQemuFlags],
    ...words,
  ];

  function configure(template: string): void {
    const lines = [
      ...["[hypervisor.qemu]", "default_memory = 256"],
      ...["[factory]", `enable_template = ${template}`, `template_path = "${store}"`],
      ...["[runtime]", 'rootfs_writes = "guest"', `rootfs_image_directory = "${place.directory}/images"`],
      `rootfs_upper_directory = "${uppers()}"`,
    ];
    writeFileSync(configFile(), `${lines.join("\n")}\n`);
  }

  const runArgv = (bundle: Bundle, id: string) => {
    const argv = kumite("run", "--detach", "--bundle", bundle.directory, id);
    return ["sh", "-c", `exec "$@" >${outputOf(id)} 2>&1`, "sh", ...argv];
  };
  const outputOf = (id: string) => path.join(place.directory, `${id}.out`);

  async function run(bundle: Bundle): Promise<string> {
    const id = place.newId();
    await succeed(runArgv(bundle, id));
    return id;
  }

  async function remove(id: string): Promise<void> {
    await succeed(kumite("delete", "--force", id));
    if (existsSync(uppers())) assert.deepEqual(readdirSync(uppers()), []);
  }

  /** A template of the shape that the first container of the bundle needs. */
  async function withTemplate(bundle: Bundle, action: () => Promise<void>): Promise<void> {
    configure("true");
    try {
      await remove(await run(bundle));
      await action();
    } finally {
      configure("true");
      // Waits for any process that is making one beside a VM that boots.
      await succeed(kumite("factory", "init"));
      await succeed(kumite("factory", "destroy"));
    }
  }

  const logOf = (id: string) => readFileSync(path.join(place.root, id, "shim.log"), "utf8");
  const wayOf = (id: string) => logOf(id).match(/the VM (is a clone of|boots).*$/gm) ?? [];

  /**
   * Runs a container and removes it; `meanwhile` is called when the journal is about to contain what matches `when`.
   */
  async function runWith(
    when: RegExp,
    meanwhile: (id: string) => Promise<void>,
    then: (id: string) => void | Promise<void>,
  ) {
    const id = place.newId();
    let done = false;
    const onStop = async (stop: Stop): Promise<void> => {
      if (!done && stop.call === "rename" && stop.to.endsWith(`${id}/journal.json`)) {
        done = when.test(readFileSync(stop.from, "utf8"));
        if (done) await meanwhile(id);
      }
      stop.goOn();
    };
    let gate: Gate | undefined;
    await withTemplate(image, async () => {
      gate = await Gate.start(place.root, runArgv(image, id), (stop) => void onStop(stop));
      assert.equal(await gate.exited, 0, gate.errors);
      assert.ok(done, "the moment did not come");
      await then(id);
      await remove(id);
    });
    await gate?.closed;
  }

  const destroy = async (): Promise<void> => void (await succeed(kumite("factory", "destroy")));

  function expectBoot(id: string): void {
    assert.equal(sandboxProcesses(id).get("qemu")?.length, 1);
    assert.equal(wayOf(id).length, 1);
    assert.match(wayOf(id).join(""), /the VM boots: there is no template yet/);
  }

  const qemuPlanned = /"key":"qemu"/;
  const shimStarted = /"key":"relay","pid"/;

  for (const [name, shape] of Object.entries({ "an image": asImage, "a directory": asLayers })) {
    it(`of ${name} starts before its shim loads its code, as its child, and only once`, async () => {
      const bundle = shape === asImage ? image : await place.bundle(lasting, shape);
      await withTemplate(bundle, async () => {
        const id = await run(bundle);
        assert.equal(sandboxProcesses(id).get("qemu")?.length, 1);
        // The relay is started as soon as the process that becomes the shim exists.
        assert.ok(await isBornBefore(id, "qemu", "relay"), "the relay was there before");
        assert.equal(parentOf(await processOf(id, "qemu")), await processOf(id, "shim"));
        assert.match(wayOf(id).join("\n"), /^the VM is a clone of template [^\n]*$/);
        assert.doesNotMatch(logOf(id), /level=(warn|error)/);
        await remove(id);
      });
    });
  }

  it("is replaced by a VM that boots, with one log line, when its template is removed before it starts", () =>
    runWith(
      qemuPlanned,
      async () => {
        configure('"auto"');
        await destroy();
      },
      expectBoot,
    ));

  it("is replaced by a VM that boots, with one log line, when its template is removed while it starts", () =>
    runWith(
      shimStarted,
      async () => {
        configure('"auto"');
        await destroy();
      },
      expectBoot,
    ));

  it("is replaced by a clone of the new template when its own is made anew while it starts", () =>
    runWith(
      shimStarted,
      async () => {
        await destroy();
        await succeed(kumite("factory", "init"));
      },
      async (id) => {
        assert.equal(sandboxProcesses(id).get("qemu")?.length, 1);
        assert.match(wayOf(id).join("\n"), /^the VM is a clone of template [^\n]*$/);
        // The clone's layer is a copy of the new template's.
        const { stdout } = await succeed(kumite("exec", id, "/bin/sh", "-c", "echo hello > /new && cat /new"));
        assert.equal(stdout, "hello\n");
      },
    ));

  it("gets its layer as it was in the template unless it is the VM that was started with it", async () => {
    const other = path.join(uppers(), "other.ext4");
    await runWith(
      qemuPlanned,
      // The shim needs a VM with another disk than the one that is started, and the disk has been written to.
      async (id) => {
        const told = path.join(place.root, id, "layers.json");
        writeFileSync(other, "what the first VM has written");
        writeFileSync(told, JSON.stringify({ ...JSON.parse(readFileSync(told, "utf8")), upper: other }));
      },
      async (id) => {
        // What the guest has read so far would not tell: its kernel has the layer open since the template was made.
        const { size } = statSync(other);
        rmSync(other);
        assert.equal(size, layerDiskBytes);
        assert.equal(sandboxProcesses(id).get("qemu")?.length, 1);
        assert.match(wayOf(id).join("\n"), /^the VM is a clone of template [^\n]*$/);
        assert.match(logOf(id), /no VM was started ahead with the same settings/);
        const { stdout } = await succeed(kumite("exec", id, "/bin/sh", "-c", "echo hello > /new && cat /new"));
        assert.equal(stdout, "hello\n");
      },
    );
  });
});
