/**
 * What a template does not contain: anything that its maker or its maker's host knows, and anything that belongs to one
 * sandbox. Everything that clones start with is searched, byte by byte; each time a search for something that is there
 * shows that the search works.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { usualShape } from "../../src/factory/usual-shape.ts";
import type { Os } from "../../src/sys/os.ts";
import { bareClone } from "../support/bare-clone.ts";
import { shell } from "../support/bundle.ts";
import { execute, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testOs } from "../support/node-os.ts";
import { testQemuFlags } from "../support/qemu.ts";
import { sandboxProcesses } from "../support/sandbox.ts";
import { namesInFile, namesInProcess } from "../support/search-bytes.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

interface MadeTemplate {
  readonly key: string;
  readonly keeper: number;
}

/** Occurs nowhere else on the host. */
const marker = (): string => `k${randomBytes(12).toString("hex")}`;

describe("what a template holds", onlyKumite, () => {
  let place: Workplace;
  let store: string;
  let config: string;
  let template: MadeTemplate;
  /** Belongs to the maker of the template: its host's name, its environment, its arguments, its files. */
  const maker = {
    "the host's name": marker(),
    "a variable of the maker's environment": marker(),
    "a word of the maker's command line": marker(),
    "a file of the host's root alone": marker(),
    "a comment in the configuration": marker(),
  };
  /** Belongs to a sandbox that is a clone. */
  const sandbox = {
    "the sandbox's name": marker(),
    "a variable of the container": marker(),
    "a word of the container": marker(),
    "a file of the container": marker(),
    "a file of the host that is shared": marker(),
  };

  before(async () => {
    place = await Workplace.open("secrets");
    store = path.join(place.directory, "templates");
    config = place.path("configuration.toml");
    writeFileSync(
      config,
      `# ${maker["a comment in the configuration"]}
[hypervisor.qemu]
default_memory = 256
[factory]
enable_template = true
template_path = "${store}"
[runtime]
rootfs_writes = "guest"
rootfs_image_directory = "${place.directory}/images"
rootfs_upper_directory = "${place.directory}/uppers"
`,
    );
    // A typical place for keys.
    mkdirSync(path.join(place.directory, ".ssh"));
    writeFileSync(path.join(place.directory, ".ssh/id_rsa"), maker["a file of the host's root alone"], { mode: 0o600 });
    template = await made();
  });
  after(async () => {
    await execute(withConfig("factory", "destroy"));
    await place[Symbol.asyncDispose]();
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root, store] }));

  const withConfig = (...words: string[]) => place.argv("--config", config, ...words);

  async function made(): Promise<MadeTemplate> {
    const init = [
      ...[runtimePath, "--root", path.join(place.directory, maker["a word of the maker's command line"])],
      ...["--config", config, ...testQemuFlags, "factory", "init", "--json"],
    ];
    const named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', maker["the host's name"], ...init];
    const env = {
      PATH: process.env.PATH ?? "",
      HOME: place.directory,
      SECRET: maker["a variable of the maker's environment"],
    };
    const { stdout } = await succeed(named, { env });
    return (JSON.parse(stdout) as { template: MadeTemplate }).template;
  }

  /** Searches everything that a clone starts with. */
  async function searched(needles: ReadonlyMap<string, Buffer>): Promise<string[]> {
    const { stdout } = await succeed(["find", `/proc/${template.keeper}/fd`, "-lname", "/memfd:kumite-*"]);
    const files = stdout.trim().split("\n");
    assert.equal(files.length, (await usualShape(testOs())) === "layers" ? 3 : 2);
    const found = await Promise.all(files.map((file) => namesInFile(file, needles)));
    return found.flat();
  }

  const named = (texts: Record<string, string>): Map<string, Buffer> =>
    new Map(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)]));

  /** Searches the guest memory of a clone. */
  const inClone = (pid: number, needles: ReadonlyMap<string, Buffer>): string[] =>
    namesInProcess(pid, `memfd:kumite-template-${template.key}`, needles).sort();

  it("is nothing of its maker or its maker's host", async () => {
    const host = {
      "the host's boot id": readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
      "a path of the host": place.directory,
      "the store's path": realpathSync(store),
      ...(existsSync("/etc/machine-id") && { "the host's machine id": readFileSync("/etc/machine-id", "utf8").trim() }),
    };
    const there = {
      // Memory: the kernel's command line. State: the name of a device. Disk: an entry of its root directory.
      "the kernel's parameters": "agent.ahead=",
      "the board": "pc-",
      "a file system": "lost+found",
    };
    const secrets = named({ ...maker, ...host });
    for (const [name, { length }] of secrets) assert.ok(length > 0, name);
    assert.deepEqual(await searched(secrets), []);
    const found = new Set(await searched(named(there)));
    const shape = await usualShape(testOs());
    const expected = Object.keys(there).filter((name) => shape === "layers" || name !== "a file system");
    assert.deepEqual([...found].sort(), expected.sort());
  });

  it("is nothing of the sandboxes cloned from it, whose own memory contains it", async () => {
    const shared = place.path("shared");
    writeFileSync(shared, sandbox["a file of the host that is shared"]);
    const bundle = await place.bundle(
      shell(`cat /own /shared; : ${sandbox["a word of the container"]}; while :; do sleep 1; done`),
      (spec) => {
        spec.hostname = sandbox["the sandbox's name"];
        spec.process.env.push(`SECRET=${sandbox["a variable of the container"]}`);
        spec.mounts.push({ destination: "/shared", type: "bind", source: shared, options: ["bind", "ro"] });
      },
    );
    writeFileSync(path.join(bundle.rootfs, "own"), sandbox["a file of the container"]);
    const id = place.newId();
    const quiet = ["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', place.path("errors")];
    await succeed([...quiet, ...withConfig("run", "--detach", "--bundle", bundle.directory, id)]);
    // Makes the clone read its files.
    await place.must(["exec", id, "cat", "/own", "/shared"]);
    const pid = sandboxProcesses(id).get("qemu")?.[0] ?? 0;
    assert.deepEqual(inClone(pid, named(sandbox)), Object.keys(sandbox).sort());
    assert.deepEqual(await searched(named(sandbox)), []);
    await place.must(["delete", "--force", id]);
  });

  it("is none of the random bytes that each clone is given", async () => {
    const given: Uint8Array[] = [];
    const plain = testOs();
    const os: Os = {
      ...plain,
      random: (length) => {
        const bytes = plain.random(length);
        given.push(bytes.slice());
        return bytes;
      },
    };
    const vms = [await bareClone(os, config, place.path("one")), await bareClone(os, config, place.path("two"))];
    try {
      const before = given.length;
      for (const vm of vms) await vm.reseedRng();
      const seeds = given.slice(before).filter(({ length }) => length === 512);
      assert.equal(seeds.length, 2);
      assert.notDeepEqual(seeds[0], seeds[1]);
      // Searches for pieces, since the guest may have reused some of the memory.
      const pieces = seeds.map(
        (seed, of) =>
          new Map(
            Array.from({ length: 4 }, (_, index) => [
              `seed ${of}, piece ${index}`,
              Buffer.from(seed.subarray(index * 128, index * 128 + 64)),
            ]),
          ),
      );
      for (const [index, vm] of vms.entries()) {
        const [own, other] = index === 0 ? pieces : [...pieces].reverse();
        assert.ok(inClone(vm.machine.pid, own as Map<string, Buffer>).length > 0, "each has its own");
        assert.deepEqual(inClone(vm.machine.pid, other as Map<string, Buffer>), [], "and not the other's");
      }
      for (const each of pieces) assert.deepEqual(await searched(each), []);
    } finally {
      await Promise.all(vms.map((vm) => vm.stop()));
    }
  });
});
