/** VM templates by `kumite factory`: each is made once, cannot be changed, and is removed completely. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { privateDirtyMiB, privateMiBOf } from "../../bench/process-cost.ts";
import { usualShape } from "../../src/factory/usual-shape.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { bareClone } from "../support/bare-clone.ts";
import { begin, execute, type Finished } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testOs } from "../support/node-os.ts";
import { testQemuFlags } from "../support/qemu.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

/** As in the output of `factory init --json` and `factory status --json`. */
interface TemplateDocument {
  readonly key: string;
  readonly shape: string;
  readonly keeper: number;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly stateBytes: number;
  readonly takesBytes: number;
  readonly created: string;
  readonly buildMs: number;
}

describe("a template", onlyKumite, () => {
  let place: Workplace;
  let store: string;
  let config: string;

  before(async () => {
    place = await Workplace.open("template");
    store = path.join(place.directory, "templates");
    config = place.path("configuration.toml");
    const lines = ["[hypervisor.qemu]", "default_memory = 256", "[factory]", "enable_template = true"];
    writeFileSync(config, [...lines, `template_path = "${store}"`, ""].join("\n"));
  });
  after(() => place[Symbol.asyncDispose]());
  afterEach(async () => {
    const destroyed = await factory("destroy");
    assert.equal(destroyed.status, 0, destroyed.stderr);
  });
  guardAgainstLeftOvers(() => ({ directories: [store] }));

  const argv = (...args: string[]) => [runtimePath, "--config", config, ...testQemuFlags, "factory", ...args];
  const factory = (...args: string[]): Promise<Finished> => execute(argv(...args));

  async function made(): Promise<TemplateDocument> {
    const { status, stdout, stderr } = await factory("init", "--json");
    assert.equal(status, 0, stderr);
    return (JSON.parse(stdout) as { template: TemplateDocument }).template;
  }

  async function templates(): Promise<TemplateDocument[]> {
    return (JSON.parse((await factory("status", "--json")).stdout) as { templates: TemplateDocument[] }).templates;
  }

  it("is made once, however many need it at the same time, and destroy removes all of it", async () => {
    assert.equal((await factory("status")).stdout, "vm factory is off\n");
    const [first, second] = await Promise.all([made(), made()]);
    assert.deepEqual(first, second);
    assert.deepEqual(await made(), first);
    assert.match(
      (await factory("status")).stdout,
      /^template \w+ pid = \d+ Cpu = 1 Memory = 256MiB\nvm factory is on\n$/,
    );
    assert.equal((await factory("destroy")).stdout, "vm factory destroyed\n");
    assert.ok(!existsSync(store) && !existsSync(`/proc/${first.keeper}/fd/0`));
  });

  it("is shown as JSON, and so is its absence", async () => {
    const json = async (action: string): Promise<unknown> => {
      const { stdout, stderr, status } = await factory(action, "--json");
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^[^\n]+\n$/, "one line");
      return JSON.parse(stdout);
    };
    assert.deepEqual(await json("status"), { state: "off", templates: [] });
    assert.deepEqual(await json("destroy"), { removed: [] });
    const begunMs = Date.now();
    const { template } = (await json("init")) as { template: TemplateDocument };
    const { key, keeper, stateBytes, takesBytes, created, buildMs, ...rest } = template;
    assert.deepEqual(rest, { shape: await usualShape(testOs()), vcpus: 1, memoryMiB: 256 });
    assert.match(key, /^[0-9a-f]{16}$/);
    assert.equal(readFileSync(`/proc/${keeper}/cmdline`, "utf8").split("\0")[0], "kumite-keeper");
    assert.ok(stateBytes > 0 && takesBytes > stateBytes && takesBytes < 256 * 1024 ** 2, `${stateBytes} ${takesBytes}`);
    assert.equal(new Date(created).toISOString(), created);
    assert.ok(Date.parse(created) >= begunMs && Date.parse(created) <= Date.now() && buildMs > 0);
    assert.deepEqual(await json("init"), { template }, "it is there already");
    assert.deepEqual(await json("status"), { state: "on", templates: [template] });
    assert.deepEqual(await json("destroy"), { removed: [key] });
    assert.deepEqual(await json("status"), { state: "off", templates: [] });
  });

  it("cannot be written to by anyone, not even root", async () => {
    const { keeper } = await made();
    const files = await memoryFiles(keeper);
    // Memory, state of the devices, and the empty disk where mkfs.erofs makes images.
    assert.equal(files.length, (await usualShape(testOs())) === "layers" ? 3 : 2);
    for (const file of files) {
      for (const attempt of [
        ["dd", "if=/dev/zero", `of=${file}`, "bs=4096", "count=1", "conv=notrunc"],
        ["truncate", "--size=4096", file],
      ]) {
        const refused = await execute(attempt);
        assert.match(refused.stderr, /Operation not permitted/, attempt.join(" "));
      }
    }
  });

  it("costs each further VM at most 32 MiB, of which 3 are the guest's own, when its agent has answered", async () => {
    await made();
    const clones: Vm[] = [];
    try {
      for (const name of ["first", "second"]) clones.push(await bareClone(testOs(), config, place.path(name)));
      for (const { machine } of clones) {
        // What several processes share is not counted: pages of the template, of programs and libraries.
        const [all, own] = [privateDirtyMiB(machine.pid), privateMiBOf(machine.pid, "memfd:kumite-template")];
        assert.ok(all < 32 && own < 3, `${all} MiB, ${own} MiB of it the guest's`);
      }
    } finally {
      await Promise.all(clones.map((vm) => vm.stop()));
    }
  });

  it("is made again when its keeper was killed, and when its description is damaged", async () => {
    const first = await made();
    process.kill(first.keeper, "SIGKILL");
    await eventually("the keeper is gone", () => (existsSync(`/proc/${first.keeper}/fd/0`) ? undefined : true));
    assert.deepEqual(await templates(), []);
    const second = await made();
    assert.notEqual(second.keeper, first.keeper);
    const description = path.join(store, second.key, "template.json");
    const half = readFileSync(description, "utf8").slice(0, 40);
    writeFileSync(description, half);
    assert.deepEqual(await templates(), []);
    const third = await made();
    assert.ok(!existsSync(`/proc/${second.keeper}/fd/0`), "its keeper does not stay");
    assert.deepEqual(await templates(), [{ ...third }]);
    rmSync(store, { recursive: true });
    assert.equal((await factory("destroy", "--json")).stdout, `{"removed":["${third.key}"]}\n`);
    assert.ok(!existsSync(`/proc/${third.keeper}/fd/0`) && !existsSync(store));
  });

  it("of another version of the program is made again, and the old keeper ends", async () => {
    const first = await made();
    const description = path.join(store, first.key, "template.json");
    writeFileSync(description, readFileSync(description, "utf8").replace(/"version":\d+/, '"version":0'));
    assert.deepEqual(await templates(), []);
    const second = await made();
    assert.notEqual(second.keeper, first.keeper);
    assert.ok(!existsSync(`/proc/${first.keeper}/fd/0`));
  });

  it("whose builder is killed leaves no process, and the next one is made", async () => {
    const keepers = async () => (await execute(["pgrep", "--full", "^kumite-keeper"])).stdout;
    const before = await keepers();
    const builder = begin(argv("init"));
    const pids = await eventually("a machine that boots", async () => {
      const { stdout } = await execute(["pgrep", "--full", "sandbox-template-"]);
      return stdout === "" ? undefined : stdout.trim().split("\n").map(Number);
    });
    builder.child.kill("SIGKILL");
    await builder.finished;
    await eventually("no machine", () => (pids.some((pid) => existsSync(`/proc/${pid}/fd/0`)) ? undefined : true));
    await eventually("no keeper", async () => ((await keepers()) === before ? true : undefined));
    assert.deepEqual(await templates(), []);
    assert.equal((await made()).memoryMiB, 256);
  });

  it("is not made where the configuration excludes it, and the reason is given", async () => {
    const pages = place.path("pages.toml");
    writeFileSync(pages, `[hypervisor.qemu]\nenable_hugepages = true\n[factory]\nenable_template = true\n`);
    const refused = await execute([runtimePath, "--config", pages, "factory", "init"]);
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /this configuration cannot have a template: .*enable_hugepages/);
  });

  it("is only made on request", async () => {
    const plain = place.path("plain.toml");
    writeFileSync(plain, `[factory]\ntemplate_path = "${store}"\n`);
    const refused = await execute([runtimePath, "--config", plain, "factory", "init"]);
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /vm factory is not enabled[\s\S]*enable_template/);
    const shown = await execute([runtimePath, "--config", plain, "factory", "status"]);
    assert.equal(shown.stdout, "vm factory is not enabled\n");
    const document = await execute([runtimePath, "--config", plain, "factory", "status", "--json"]);
    assert.deepEqual(JSON.parse(document.stdout), { state: "not enabled", templates: [] });
  });
});

/** Files without a name that the process holds. */
async function memoryFiles(pid: number): Promise<string[]> {
  const { stdout } = await execute(["find", `/proc/${pid}/fd`, "-lname", "/memfd:kumite-*"]);
  const files = stdout.trim().split("\n");
  for (const file of files) assert.ok(statSync(file).size > 0);
  return files;
}
