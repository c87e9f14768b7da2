/** Containers in clones of a template: what they share, what they must not share, and when there is no clone. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Bundle, type Patch, shell } from "../support/bundle.ts";
import { begin, type CommandOptions, execute, type Finished, succeed } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { processOf, sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

/** The kind of root file system: the host's directory below a layer in the guest, or an image on a disk. */
const shapes = {
  directory: (config) => {
    config.annotations = { "io.kumite.rootfs": "layers" };
  },
  layers: (config) => {
    config.annotations = { "io.kumite.rootfs": "image" };
  },
} satisfies Record<string, Patch>;

const mib = 1024 * 1024;
/** For twenty clones on a busy host without KVM. */
const allTimeoutMs = 180_000;

interface FactoryStatus {
  readonly templates: readonly { readonly key: string; readonly shape: string; readonly created: string }[];
}

interface Identity {
  readonly id: string;
  readonly template: string;
  /** What must differ from all others. */
  readonly own: readonly string[];
  readonly begunMs: number;
  readonly endedMs: number;
}

describe("a container in a clone", onlyKumite, () => {
  let place: Workplace;
  let store: string;
  let config: string;

  before(async () => {
    place = await Workplace.open("clone");
    store = path.join(place.directory, "templates");
    config = place.path("configuration.toml");
    writeFileSync(config, configuration("enable_template = true"));
    // The first container of each shape makes the template; it exists during all tests.
    for (const shape of Object.values(shapes)) {
      const { stderr, status } = await run(await place.bundle(shell("true"), shape));
      assert.equal(status, 0, stderr);
    }
  });
  after(async () => {
    await factory("destroy");
    await place[Symbol.asyncDispose]();
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root, store] }));

  const configuration = (...factoryLines: string[]) => `
[hypervisor.qemu]
default_memory = 256
[factory]
${factoryLines.join("\n")}
template_path = "${store}"
[runtime]
rootfs_writes = "guest"
rootfs_image_directory = "${place.directory}/images"
rootfs_upper_directory = "${place.directory}/uppers"
`;
  const withConfig = (...args: string[]) => place.argv("--config", config, ...args);
  const factory = (...args: string[]): Promise<Finished> => execute(withConfig("factory", ...args));
  const statusDocument = async (): Promise<FactoryStatus> =>
    JSON.parse((await factory("status", "--json")).stdout) as FactoryStatus;
  const templateKeys = async (): Promise<string[]> => (await statusDocument()).templates.map(({ key }) => key);
  const run = (bundle: Bundle, id = place.newId(), options?: CommandOptions): Promise<Finished> =>
    execute(withConfig("run", "--bundle", bundle.directory, id), options);

  /** Starts a container in the background; also returns what its shim has logged so far. */
  async function started(...patches: Patch[]): Promise<{ id: string; log: string }> {
    const bundle = await place.bundle(shell("while :; do sleep 1; done"), ...patches);
    const id = place.newId();
    const quiet = ["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', path.join(place.directory, `${id}.err`)];
    await succeed([...quiet, ...withConfig("run", "--detach", "--bundle", bundle.directory, id)]);
    return { id, log: readFileSync(path.join(place.root, id, "shim.log"), "utf8") };
  }

  /** The shim's log of a container that was started and deleted. */
  async function gone(...patches: Patch[]): Promise<{ log: string }> {
    const { id, log } = await started(...patches);
    await place.must(["delete", "--force", id]);
    return { log };
  }

  for (const [shape, patch] of Object.entries(shapes)) {
    it(`of the shape ${shape} has its files, and nobody else sees what it writes to them`, async () => {
      const bundle = await place.bundle(shell("cat /etc/passwd | head -1; echo mine > /etc/new; cat /etc/new"), patch);
      for (const _ of [1, 2]) {
        const { stdout, stderr } = await run(bundle);
        assert.equal(stdout, "root:x:0:0::/root:/bin/sh\nmine\n", stderr);
      }
      assert.ok(!existsSync(path.join(bundle.rootfs, "etc/new")));
    });

    it(`of the shape ${shape} names its template in the shim's log, and runs without a daemon`, async () => {
      const { id, log } = await started(patch);
      assert.match(log, /the VM is a clone of template [0-9a-f]+/);
      assert.ok(!sandboxProcesses(id).has("virtiofsd"));
      assert.equal(
        (await place.must(["exec", id, "cat", "/etc/passwd"])).stdout.split("\n")[0],
        "root:x:0:0::/root:/bin/sh",
      );
      await place.must(["delete", "--force", id]);
    });
  }

  it("has its root file system on layers that were mounted in the template, with the image's own root directory", async () => {
    const facts =
      "grep -c ' / overlay .*lowerdir=/run/kata-containers/.ahead/lower,' /proc/mounts; stat -c '%a %u:%g' /";
    const change =
      "mkdir /dir; mv /dir /moved; mv /etc/passwd /etc/other; rm -r /var; chmod 700 / 2>&-; ls -d /moved /etc/other";
    const after = "test -e /var || test -e /etc/passwd || test -e /dir || echo gone; stat -c %a /";
    const script = `${facts}; echo $(ls -A /); ${change}; ${after}`;
    const bundle = await place.bundle(shell(script), shapes.layers);
    const names = readdirSync(bundle.rootfs);
    // Its root may not change what is another's.
    for (const [mode, owner, changed] of [
      [0o777, 7, "777"],
      [0o711, 0, "700"],
    ] as const) {
      chmodSync(bundle.rootfs, mode);
      chownSync(bundle.rootfs, owner, owner + 1);
      const { stdout, stderr } = await run(bundle);
      const [on, root, listed, ...rest] = stdout.split("\n");
      assert.deepEqual([on, root], ["1", `${mode.toString(8)} ${owner}:${owner + 1}`], stderr);
      assert.deepEqual(listed?.trim().split(" "), [...new Set([...names, "dev", "proc", "sys"])].sort());
      assert.deepEqual(rest, ["/etc/other", "/moved", "gone", changed, ""]);
    }
  });

  it("has the process that waits in the template, if that process can set it up, and is the same with another one", async () => {
    const facts =
      "grep -E '^(Umask|Pid|NSpid|Uid|Gid|Groups|Sig|Cap|NoNew|Seccomp)' status; ls fd; cat cgroup mounts limits";
    const script = `cd /proc/$$; readlink fd/2; ${facts}`;
    const withLimit = (hard: number, pids: number): Patch => {
      return (config) => {
        config.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 100, hard }];
        config.linux.resources = { ...config.linux.resources, pids: { limit: pids } };
      };
    };
    const outcome = async (...patches: Patch[]): Promise<{ readonly pipe: string; readonly rest: string[] }> => {
      const { stdout, stderr, status } = await run(await place.bundle(shell(script), shapes.layers, ...patches));
      assert.equal(status, 0, stderr);
      const [pipe = "", ...rest] = stdout.split("\n");
      assert.match(pipe, /^pipe:/);
      return { pipe, rest: rest.filter((line) => !line.startsWith("Max open files")) };
    };
    const [one, two] = [await outcome(withLimit(1000, 50)), await outcome(withLimit(1000, 50))];
    assert.deepEqual(two, one);
    // More than a process may have that was created before.
    const other = await outcome(withLimit(1_048_577, 50));
    assert.notEqual(other.pipe, one.pipe);
    assert.deepEqual(other.rest, one.rest);
    // There is room for it beside nobody.
    const alone: Patch = (config) => {
      config.process.args = ["cat", "/etc/passwd"];
    };
    for (const hard of [1000, 1_048_577]) {
      const bundle = await place.bundle(shell(""), shapes.layers, withLimit(hard, 1), alone);
      const { stdout, stderr } = await run(bundle);
      assert.match(stdout, /^root:/, stderr);
    }
  });

  it("is set up in another way after the process that waited could not do it", async () => {
    const bundle = await place.bundle(shell("grep -c ' /real tmpfs' /proc/mounts"), shapes.layers, (config) => {
      config.mounts.push({ destination: "/link", type: "tmpfs", source: "tmpfs", options: [] });
    });
    mkdirSync(path.join(bundle.rootfs, "real"));
    symlinkSync("real", path.join(bundle.rootfs, "link"));
    const { stdout, stderr } = await run(bundle);
    assert.equal(stdout, "1\n", stderr);
    const wrong = await place.bundle(shell("true"), shapes.layers, (config) => {
      config.process.args = ["/no/such/program"];
    });
    assert.match((await run(wrong)).stderr, /\/no\/such\/program/);
  });

  it("can open only the devices that its rules allow, with the template's prepared rules and with others", async () => {
    const script =
      "IFS=: read major minor < /sys/class/block/vda/dev; mknod /d b $major $minor; true < /d && echo open";
    const inClone = async (...rules: object[]): Promise<Finished> => {
      const resources = { devices: [{ allow: false, access: "rwm" }, ...rules] };
      const patch: Patch = (config) => {
        for (const set of ["bounding", "effective", "permitted"] as const) {
          config.process.capabilities?.[set]?.push("CAP_MKNOD");
        }
        config.linux.resources = resources;
      };
      return run(await place.bundle(shell(script), shapes.layers, patch));
    };
    assert.match((await inClone()).stderr, /can't open \/d: Operation not permitted/);
    const { stdout, stderr } = await inClone({ allow: true, type: "b", access: "r" });
    assert.equal(stdout, "open\n", stderr);
  });

  /** What a clone writes about itself into a file of the host, and when it was asked. */
  async function identityOf(name: string): Promise<Identity> {
    const file = place.path(`${name}.facts`);
    writeFileSync(file, "");
    const facts = [
      "head -c 16 /dev/urandom | od -An -tx1",
      "cat /proc/sys/kernel/random/boot_id",
      "cat /proc/sys/kernel/random/uuid",
      "hostname",
      "date +%s",
      // VMs have no id unless the host provides one.
      "cat /sys/class/dmi/id/product_uuid 2>/dev/null || echo none",
      "cat /etc/machine-id 2>/dev/null || echo none",
      // They also have no network device except the loopback, so no MAC address.
      "ls /sys/class/net",
      "echo end",
    ];
    const begunMs = Date.now();
    const { id, log } = await started(shapes.directory, (spec) => {
      spec.hostname = name;
      spec.process.args = ["/bin/sh", "-c", `{ ${facts.join("; ")}; } > /facts; while :; do sleep 1; done`];
      spec.mounts.push({ destination: "/facts", type: "bind", source: file, options: ["bind"] });
    });
    const text = await eventually(
      `${name} to say who it is`,
      () => {
        const said = readFileSync(file, "utf8");
        return said.endsWith("end\n") ? said : undefined;
      },
      allTimeoutMs,
    );
    const endedMs = Date.now();
    const template = /the VM is a clone of template ([0-9a-f]+)/.exec(log)?.[1];
    assert.ok(template !== undefined, `${name} is a clone: ${log}`);
    const [random = "", bootId = "", uuid = "", hostname, seconds, productId, machineId, networks] = text.split("\n");
    assert.match(random, /^( [0-9a-f]{2}){16}$/);
    for (const kind of [bootId, uuid]) assert.match(kind, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.deepEqual([hostname, productId, machineId, networks], [name, "none", "none", "lo"]);
    // A clock that continued from the template's time would be slow by the template's age.
    const [from, to] = [Math.floor(begunMs / 1000), Math.ceil(endedMs / 1000)];
    assert.ok(Number(seconds) >= from && Number(seconds) <= to, `${from} <= ${seconds} <= ${to}`);
    return { id, template, own: [random, bootId, uuid], begunMs, endedMs };
  }

  it("has random bytes, a boot id, a clock and a name of its own, even if twenty start at once", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `clone-${index}`);
    const clones = await Promise.all(names.map(identityOf));
    assert.equal(new Set(clones.map(({ template }) => template)).size, 1, "all go on from one template");
    for (const kind of [0, 1, 2]) assert.equal(new Set(clones.map(({ own }) => own[kind])).size, names.length);
    await Promise.all(clones.map(({ id }) => place.must(["delete", "--force", id])));
  });

  it("has the host's time, not the time at which its template was saved", async () => {
    // Its time could be taken for either if it took longer to start than its template is old.
    const clone = await eventually("a clone that is younger than its template", async () => {
      const { id, begunMs, endedMs, template } = await identityOf("young");
      await place.must(["delete", "--force", id]);
      const { templates } = await statusDocument();
      const age = begunMs - Date.parse(templates.find(({ key }) => key === template)?.created ?? "");
      return age > endedMs - begunMs + 2000 ? true : undefined;
    });
    assert.ok(clone);
  });

  it("gets the vCPUs and the memory that its container needs beyond the template's", async () => {
    const script = "grep -c ^processor /proc/cpuinfo; sed -n 's/MemTotal: *//p' /proc/meminfo";
    const bundle = await place.bundle(shell(script), shapes.directory, (spec) => {
      const cpu = { quota: 100_000, period: 100_000 };
      spec.linux.resources = { ...spec.linux.resources, cpu, memory: { limit: 512 * mib } };
    });
    const { stdout, stderr } = await run(bundle);
    const [processors, memoryKiB] = stdout.split("\n").map((line) => Number.parseInt(line, 10));
    // The template's VM has one vCPU, and 256 MiB.
    assert.equal(processors, 2, stderr);
    assert.ok((memoryKiB ?? 0) > 600 * 1024, `${stdout}${stderr}`);
  });

  it("shares files and read-only directories with the host, and a file can be written", async () => {
    const [file, directory] = [place.path("file"), place.path("directory")];
    writeFileSync(file, "before\n");
    mkdirSync(directory);
    writeFileSync(path.join(directory, "there"), "there\n");
    const bundle = await place.bundle(
      shell("cat /file /directory/there; echo after > /file; echo x > /directory/new || echo refused"),
      shapes.directory,
      ({ mounts }) => {
        mounts.push({ destination: "/file", type: "bind", source: file, options: ["bind"] });
        mounts.push({ destination: "/directory", type: "bind", source: directory, options: ["bind", "ro"] });
      },
    );
    const { stdout, stderr } = await run(bundle);
    assert.equal(stdout, "before\nthere\nrefused\n", stderr);
    assert.equal(readFileSync(file, "utf8"), "after\n");
  });

  it("is not used when a volume has to be writable: the VM boots, and one line says why", async () => {
    const directory = place.path("volume");
    mkdirSync(directory);
    const { id, log } = await started(shapes.directory, ({ mounts }) => {
      mounts.push({ destination: "/volume", type: "bind", source: directory, options: ["bind"] });
    });
    const lines = log.split("\n").filter((line) => /the VM (boots|is a clone|is from the cache)/.test(line));
    assert.equal(lines.length, 1, log);
    assert.match(lines[0] ?? "", /the VM boots: the volume .* can be written to/);
    await place.must(["exec", id, "mkfifo", "/volume/fifo"]);
    await place.must(["delete", "--force", id]);
  });

  it("is stopped and can be deleted when its VM is killed, and the next one works", async () => {
    const { id } = await started(shapes.directory);
    process.kill(await processOf(id, "qemu"), "SIGKILL");
    await place.untilStatus(id, "stopped");
    await place.must(["delete", id]);
    assert.equal((await run(await place.bundle(shell("echo again"), shapes.directory))).stdout, "again\n");
  });

  it("keeps its template when others are removed because of template_limit", async () => {
    const { id, log } = await started(shapes.directory);
    const used = /clone of template ([0-9a-f]+)/.exec(log)?.[1];
    const { templates } = await statusDocument();
    assert.deepEqual(templates.map(({ shape }) => shape).sort(), ["directory", "layers"]);
    const lines = (await factory("status")).stdout.split("\n");
    assert.deepEqual(
      lines.map((line) => line.replace(/pid = \d+/, "pid = P")),
      [...templates.map(({ key }) => `template ${key} pid = P Cpu = 1 Memory = 256MiB`), "vm factory is on", ""],
    );
    const other = place.path("other.toml");
    writeFileSync(
      other,
      configuration("enable_template = true")
        .replace("= 256", "= 320")
        .replace("[factory]", "[factory]\ntemplate_limit = 1"),
    );
    const { stdout } = await succeed([runtimePath, "--config", other, "factory", "init", "--json"]);
    const { key } = (JSON.parse(stdout) as { template: { key: string } }).template;
    assert.deepEqual((await templateKeys()).sort(), [used, key].sort());
    await place.must(["delete", "--force", id]);
    await factory("destroy");
  });

  it("continues when the template is destroyed, and the next container makes it anew", async () => {
    const { id } = await started(shapes.directory);
    await factory("destroy");
    assert.equal((await place.must(["exec", id, "echo", "alive"])).stdout, "alive\n");
    const second = await started(shapes.directory);
    assert.match(second.log, /the VM is a clone of template/);
    for (const name of [id, second.id]) await place.must(["delete", "--force", name]);
    await factory("destroy");
  });

  it("boots when its template produces no VM; the template is then removed with its processes", async () => {
    const key = /clone of template ([0-9a-f]+)/.exec((await gone(shapes.directory)).log)?.[1] ?? "";
    const description = path.join(store, key, "template.json");
    const said = JSON.parse(readFileSync(description, "utf8")) as { keeper: { pid: number }; stateBytes: number };
    const [memory, state] = [place.path("memory"), place.path("state")];
    writeFileSync(memory, "");
    truncateSync(memory, 256 * mib);
    writeFileSync(state, "x".repeat(said.stateBytes));
    const keep = 'exec -a kumite-keeper sleep 1000 3<"$0" 4<"$1"';
    const keeper = begin(["bash", "-c", keep, memory, state]);
    await eventually("a keeper", () =>
      readFileSync(`/proc/${keeper.pid}/cmdline`, "utf8").startsWith("kumite-keeper") ? true : undefined,
    );
    const startTicks = Number(readFileSync(`/proc/${keeper.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19]);
    const forged = { ...said, keeper: { pid: keeper.pid, startTicks }, memory: 3, state: 4 };
    writeFileSync(description, JSON.stringify(forged));
    assert.ok((await templateKeys()).includes(key), "it looks whole");
    const { log } = await gone(shapes.directory);
    assert.match(log, /the template was removed: no VM could be cloned from it/);
    assert.match(log, /the VM boots: /);
    assert.equal((await keeper.finished).status, 128 + 15);
    assert.ok(!existsSync(path.dirname(description)) && !existsSync(`/proc/${said.keeper.pid}/fd/0`));
    assert.match((await gone(shapes.directory)).log, /the VM is a clone of template/);
    await factory("destroy");
  });

  it("is possible after a first container that boots, where writes stay in the guest and nothing else is configured", async () => {
    await factory("destroy");
    writeFileSync(config, configuration());
    const first = await started(shapes.directory);
    assert.match(first.log, /the VM boots: there is no template yet/);
    await eventually("the template", async () => ((await templateKeys()).length > 0 ? true : undefined));
    const second = await started(shapes.directory);
    assert.match(second.log, /the VM is a clone of template/);
    for (const { id } of [first, second]) await place.must(["delete", "--force", id]);
    await factory("destroy");
    writeFileSync(config, configuration("enable_template = true"));
  });
});
