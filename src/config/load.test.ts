import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { mappedImage } from "../../test/support/mapped-image.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import { isKumiteError } from "../util/errors.ts";
import type { Config } from "./config.ts";
import { surroundingsOf } from "./host.ts";
import { countCpus, hostCpus } from "./host-cpus.ts";
import { type LoadConfigOptions, loadConfig } from "./load.ts";

const installRoot = "/opt/kumite";
const os = nodeOs({ installRoot });
let base: string;
let directory: string;
let file: string;

before(() => {
  base = mkdtempSync(join(tmpdir(), "kumite-config-"));
});
after(() => rmSync(base, { recursive: true }));
beforeEach(() => {
  directory = mkdtempSync(join(base, "case-"));
  file = join(directory, "configuration.toml");
});

function made(name: string, content: string | Uint8Array = "x"): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function load(text: string, options: Partial<LoadConfigOptions> = {}): Promise<Config> {
  writeFileSync(file, text);
  return loadConfig(os, { installRoot, path: file, ...options });
}

function dropIn(name: string, text: string): string {
  mkdirSync(join(directory, "config.d"), { recursive: true });
  const path = join(directory, "config.d", name);
  writeFileSync(path, text);
  return path;
}

async function refused(loading: Promise<unknown>, ...about: (string | RegExp)[]): Promise<void> {
  await assert.rejects(loading, (error) => {
    assert.ok(isKumiteError(error, "config/invalid"), String(error));
    for (const what of about) {
      const text = `${error.message}; ${error.hint}`;
      if (typeof what === "string") assert.equal(error.message, what);
      else assert.match(text, what);
    }
    return true;
  });
}

describe("a configuration file", () => {
  it("may be empty: every key has a default", async () => {
    const config = await load("");
    assert.equal(config.hypervisor, "qemu");
    assert.equal(config.qemu.kernel, "/opt/kumite/vmlinux");
    assert.equal(config.qemu.initrd, "/opt/kumite/initrd.img");
    assert.equal(config.qemu.image, undefined);
    assert.equal(config.qemu.accelerator, "auto");
    assert.equal(config.qemu.vcpus, 1);
    assert.equal(config.qemu.memoryMiB, 2048);
    assert.equal(config.agent.dialTimeoutMs, 45_000);
    assert.equal(config.guestSeccomp, true);
    assert.equal(config.runtime.rootfsWrites, "host");
    assert.equal(config.file, file);
    assert.deepEqual(config.notices, []);
  });

  it("can set everything with the keys of Kata Containers", async () => {
    const config = await load(`
      [hypervisor.qemu]
      path = "${made("q")}"
      kernel = "${made("k")}"
      initrd = "${made("i")}"
      machine_type = "q35"
      default_vcpus = 0.5
      default_memory = 512
      kernel_params = " a=1  b "
      virtio_fs_daemon = "/v"
      accelerator = "tcg"
      cpu_features = " pmu=off , ,x "
      enable_debug = true
      [agent.kata]
      dial_timeout = 3
      kernel_modules = ["e1000e  Interrupt=3", ""]
      [runtime]
      hypervisor = "process"
      disable_guest_seccomp = true
      sandbox_cgroup_only = true
    `);
    const { qemu, agent } = config;
    assert.equal(qemu.path, join(directory, "q"));
    assert.equal(qemu.kernel, join(directory, "k"));
    assert.equal(qemu.initrd, join(directory, "i"));
    assert.deepEqual(qemu.virtioFsDaemons, ["/v"]);
    assert.deepEqual([qemu.vcpus, qemu.defaultVcpus, qemu.memoryMiB], [1, 0.5, 512]);
    assert.deepEqual(qemu.kernelParameters, ["a=1", "b"]);
    assert.equal(qemu.cpuFeatures, "pmu=off,x");
    assert.deepEqual([qemu.accelerator, qemu.debug, config.hypervisor], ["tcg", true, "process"]);
    assert.equal(agent.dialTimeoutMs, 3000);
    assert.deepEqual(agent.kernelModules, [{ name: "e1000e", parameters: ["Interrupt=3"] }]);
    assert.equal(config.guestSeccomp, false);
    assert.equal(config.runtime.sandboxCgroupOnly, true);
  });

  it("is reported to have an unknown key, with its position and the nearest known key", async () => {
    const { notices } = await load("# x\n[hypervisor.qemu]\n  default_vcpu = 1\n[runtim]\n");
    assert.deepEqual(notices, [
      `${file}:3:3: hypervisor.qemu.default_vcpu is not a known key; did you mean default_vcpus?`,
      `${file}:4:1: runtim is not a known table; did you mean runtime?`,
    ]);
  });

  it("is reported to have a key without effect, if it differs from the default", async () => {
    const { notices } = await load('[hypervisor.qemu]\nenable_numa = false\nhot_plug_vfio = "root-port"\n');
    assert.deepEqual(notices, [
      `${file}:3:1: hypervisor.qemu.hot_plug_vfio has no effect: devices of the host cannot be attached to a VM yet`,
    ]);
  });

  it("is refused for a value of the wrong type", async () => {
    await refused(
      load('[hypervisor.qemu]\ndefault_memory = "1G"'),
      `${file}:2:1: hypervisor.qemu.default_memory must be a number (MiB), not "1G"`,
    );
    await refused(load("hypervisor = 1"), `${file}:1:1: hypervisor must be a table, not 1`);
    await refused(
      load("[runtime]\nenable_debug = []"),
      `${file}:2:1: runtime.enable_debug must be true or false, not a list`,
    );
    await refused(load("[agent.kata]\nkernel_modules = [1]"), /kernel_modules must be a list of strings/);
  });

  it("is refused for a value out of range", async () => {
    await refused(
      load('[hypervisor.qemu]\nkernel = "k"'),
      `${file}:2:1: hypervisor.qemu.kernel is "k", but must be an absolute path`,
    );
    await refused(
      load("[agent.kata]\ndial_timeout = 1.5"),
      `${file}:2:1: agent.kata.dial_timeout is 1.5, but must be an integer from 0 to 86400 (seconds)`,
    );
    await refused(
      load("[hypervisor.qemu]\ndefault_maxvcpus = -1"),
      /default_maxvcpus is -1, but must be an integer from 0/,
    );
    await refused(load('[hypervisor.qemu]\nmachine_type = "vax"'), /machine_type is "vax", but must be one of "q35"/);
    await refused(
      load('[runtime]\ninternetworking_model = "bus"'),
      /2:1: Unknown type bus: runtime.internetworking_model must be one of/,
    );
  });

  it("is refused with line and column if it is not TOML", async () => {
    await refused(load("a = 1\nb = "), new RegExp(`^${file}:2:\\d+: `));
  });

  it("is refused with the number of further errors", async () => {
    await refused(
      load("[runtime]\nenable_debug = 1\nenable_tracing = 2\n"),
      /enable_debug.*`kumite config check` shows 1 more/,
    );
  });

  it("gets no more vCPUs than the host has, which is reported", async () => {
    const cpus = await hostCpus(os);
    const config = await load("[hypervisor.qemu]\ndefault_vcpus = 9999");
    assert.equal(config.qemu.vcpus, cpus);
    assert.match(config.notices.join(), /:2:1: hypervisor.qemu.default_vcpus is 9999, but the host has/);
    assert.equal((await load("[hypervisor.qemu]\ndefault_vcpus = -1")).qemu.vcpus, cpus);
  });

  it("has its numbers brought into their limits, and its lists sorted", async () => {
    const { qemu } = await load(`[hypervisor.qemu]
      pcie_root_port = 20
      pcie_switch_port = 99
      default_bridges = 0
      default_maxvcpus = 100000
      default_maxmemory = 9000000000
      virtio_fs_queue_size = 0
      machine_accelerators = " a , ,b=c,"
      cpu_features = "pmu=off, "
      kernel_params = "  a=b   c  "`);
    assert.deepEqual([qemu.pcieRootPorts, qemu.pcieSwitchPorts, qemu.bridges], [16, 16, 1]);
    assert.equal(qemu.maxVcpus, await hostCpus(os));
    assert.ok(qemu.maxMemoryMiB < 9_000_000_000);
    assert.deepEqual([qemu.machineAccelerators, qemu.cpuFeatures], ["a,b=c", "pmu=off"]);
    assert.deepEqual([qemu.kernelParameters, qemu.sharing.virtioFsQueueSize], [["a=b", "c"], 1024]);
    const clh = "[hypervisor.clh]\nshared_fs = 'none'\n";
    const { notices } = await load(`${clh}disk_rate_limiter_bw_one_time_burst = 5\n`);
    assert.match(
      notices.join(),
      /disk_rate_limiter_bw_one_time_burst has no effect without disk_rate_limiter_bw_max_rate/,
    );
  });

  it("has the default if a key with a set of values is empty", async () => {
    const words = ["rootfs_type", "machine_type", "shared_fs", "block_device_driver", "hot_plug_vfio"];
    const { qemu } = await load(`[hypervisor.qemu]\n${words.map((word) => `${word} = ""\n`).join("")}`);
    assert.deepEqual([qemu.rootfsType, qemu.machineType, qemu.sharing.fileSystem], ["ext4", "q35", "virtio-fs"]);
    assert.deepEqual([qemu.block.driver, qemu.hotPlugVfio], ["virtio-blk", "no-port"]);
    const { firecracker } = await load('[hypervisor.firecracker]\nblock_device_driver = ""\nshared_fs = ""\n');
    assert.deepEqual([firecracker.block.driver, firecracker.sharing.fileSystem], ["virtio-mmio", "none"]);
    await refused(load('[runtime]\ninternetworking_model = ""\n'), /Unknown type/);
  });

  it("never results in a VM too small to boot, which is reported", async () => {
    const config = await load("[hypervisor.qemu]\ndefault_memory = 64");
    assert.equal(config.qemu.memoryMiB, 2048);
    assert.match(config.notices.join(), /default_memory is 64 MiB/);
  });

  it("may make VMs larger than the host, but none that needs more before its guest runs anything", async () => {
    const { hostMemoryMiB = 0, hostSwapMiB = 0 } = await surroundingsOf(os, installRoot);
    const room = hostMemoryMiB + hostSwapMiB;
    const config = (memoryMiB: number, more = "") => `[hypervisor.qemu]\ndefault_memory = ${memoryMiB}\n${more}`;
    assert.equal((await load(config(room * 60))).qemu.memoryMiB, room * 60);
    const place = `${file}:2:1: hypervisor.qemu.default_memory is`;
    await refused(
      load(config(room * 65)),
      new RegExp(`^${place} ${room * 65} MiB, .*kernel needs \\d+ MiB to boot, but the host has ${hostMemoryMiB} MiB`),
      new RegExp(`set default_memory to at most ${room * 64}$`),
    );
    await load(config(room, "enable_mem_prealloc = true"));
    await refused(
      load(config(room + 1, "enable_mem_prealloc = true")),
      new RegExp(place),
      /allocated at the start.*at most/,
    );
    await load(config(hostMemoryMiB, "enable_swap = false"));
    await refused(
      load(config(hostMemoryMiB + 1, "enable_swap = false")),
      new RegExp(place),
      /locked .*remove enable_swap/,
    );
    const annotation = "io.katacontainers.config.hypervisor.default_memory";
    const annotations = { [annotation]: String(room * 65) };
    const allowed = '[hypervisor.qemu]\nenable_annotations = ["default_memory"]';
    await refused(
      load(allowed, { annotations }),
      new RegExp(`^annotation ${annotation}: hypervisor.qemu.default_memory`),
    );
    await load(`${config(room * 65)}[runtime]\nhypervisor = "process"`);
  });

  it("has symbolic links in its paths resolved, and is refused if they lead nowhere", async () => {
    const kernel = made("k");
    symlinkSync(kernel, join(directory, "link"));
    const config = await load(`[hypervisor.qemu]\nkernel = "${join(directory, "link")}"`);
    assert.equal(config.qemu.kernel, kernel);
    await refused(load('[hypervisor.qemu]\nkernel = "/no/kernel"'), /2:1: hypervisor.qemu.kernel: .*no such file/);
  });

  it("has one hypervisor, named or the only one", async () => {
    assert.equal((await load("[hypervisor.clh]")).hypervisor, "clh");
    await refused(
      load("[hypervisor.qemu]\n[hypervisor.clh]"),
      /2:1: hypervisor.clh: hypervisor.qemu is configured too/,
    );
    const named = await load('[hypervisor.qemu]\n[hypervisor.clh]\n[runtime]\nhypervisor = "qemu"');
    assert.equal(named.hypervisor, "qemu");
    await refused(load("[hypervisor.acrn]"), /no driver for this hypervisor/);
    await refused(load("[hypervisor.qem]"), /no such hypervisor.*did you mean qemu\?/);
  });
});

describe("loading the configuration", () => {
  it("refuses an image with a kernel whose drivers are in an initrd", async () => {
    const image = made("image", mappedImage);
    const text = `[hypervisor.qemu]\nimage = "${image}"\n`;
    const path = made("image.toml", text);
    const from = (kernel: string, file = path) => {
      made("install.json", JSON.stringify({ kernel }));
      return loadConfig(os, { installRoot: directory, path: file });
    };
    await refused(
      from("debian"),
      /hypervisor.qemu.image: the kernel that Kumite was installed with loads its drivers from an/,
    );
    assert.equal((await from("tuned")).qemu.image, image);
    const own = made("own-kernel.toml", `${text}kernel = "${image}"\n`);
    assert.equal((await from("debian", own)).qemu.kernel, image);
  });

  it("refuses an image as a memory device without Kata's header, unless it is verified and therefore not mapped", async () => {
    const image = made("plain", "x".repeat(5000));
    const text = `[hypervisor.qemu]\nkernel = "${image}"\nimage = "${image}"\n`;
    const place = /configuration\.toml:3:1: hypervisor\.qemu\.image: .*plain cannot be a memory device/;
    await refused(load(text), place, /set disable_image_nvdimm = true in \[hypervisor\.qemu\]/);
    const hash = `root_hash=${"0".repeat(64)},data_blocks=1,data_block_size=4096,hash_block_size=4096`;
    for (const more of [
      "disable_image_nvdimm = true",
      'machine_type = "microvm"',
      `kernel_verity_params = "${hash}"`,
    ]) {
      assert.equal((await load(text + more)).qemu.image, image);
    }
    assert.equal((await load(text.replaceAll(image, made("marked", mappedImage)))).qemu.image, `${directory}/marked`);
  });

  it("requires the file that was named", async () => {
    const path = "/nonexistent/k.toml";
    await refused(loadConfig(os, { installRoot, path }), /Cannot find usable config file \(.*\/nonexistent\/k.toml/);
  });

  it("reads the first existing file, of the system or of an embedding program", async () => {
    const path = made("own.toml", "[agent.kata]\ndial_timeout = 8\n");
    const defaultPaths = ["/no/such", path, "", "/no/such"];
    assert.equal((await loadConfig(os, { installRoot, defaultPaths })).agent.dialTimeoutMs, 8000);
    symlinkSync("/no/such", join(directory, "dangling"));
    const dangling = [join(directory, "dangling"), path];
    await refused(loadConfig(os, { installRoot, defaultPaths: dangling }), /Cannot find usable config file/);
  });

  it("refuses a file that is too large to be a configuration", async () => {
    await refused(load("#".repeat(1024 * 1024)), /larger than/);
  });

  it("overrides keys of the file by drop-ins, in the order of their names", async () => {
    dropIn("20-b", "[hypervisor.qemu]\ndefault_vcpus = -1\n[agent.kata]\ndial_timeout = 7");
    dropIn("10-a", "[hypervisor.qemu]\ndefault_memory = 400\ndefault_vcpus = 0\n[agent.kata]\ndial_timeout = 5");
    const config = await load("[hypervisor.qemu]\ndefault_memory = 300\nkernel_params = 'x'\n");
    assert.equal(config.qemu.memoryMiB, 400);
    assert.deepEqual(config.qemu.kernelParameters, ["x"]);
    assert.equal(config.qemu.vcpus, await hostCpus(os));
    assert.equal(config.agent.dialTimeoutMs, 7000);
  });

  it("refuses a drop-in that is unreadable or invalid, and reports its unknown keys", async () => {
    const path = dropIn("a", "[agent.kata]\ndial_timeot = 7");
    await refused(
      load(""),
      new RegExp(`^${path}:2:1: error applying key agent.kata.dial_timeot: .*did you mean dial_timeout`),
    );
    dropIn("a", "[runtime]\nenable_debu = true");
    assert.match((await load("")).notices.join(), /a:2:1: runtime.enable_debu is not a known key/);
    rmSync(path);
    mkdirSync(path);
    await refused(load(""), /the file cannot be read/);
  });

  it("gives the command line the highest precedence, with the key's type", async () => {
    const text = "[hypervisor.qemu]\ndefault_memory = 300\n";
    const overrides = ["hypervisor.qemu.default_memory=512", "factory.enable_template=auto", "runtime.enable_debug=T"];
    const config = await load(text, { overrides: [...overrides, "hypervisor.qemu.valid_hypervisor_paths=/a,/b"] });
    assert.equal(config.qemu.memoryMiB, 512);
    assert.equal(config.factory.template, "auto");
    assert.equal(config.debug, true);
    const wrong = (word: string, ...about: RegExp[]) => refused(load(text, { overrides: [word] }), ...about);
    await wrong("x", /--set x: must have the form TABLE.KEY=VALUE/);
    await wrong("runtime.enable_debug=maybe", /runtime.enable_debug must be true or false, not "maybe"/);
    await wrong("runtime.enable_debg=true", /is not a known key.*did you mean enable_debug\?/);
    await wrong("runtme.enable_debug=true", /runtme is not a known table.*did you mean runtime\?/);
    await wrong("hypervisor.qemu.default_memory=1e3", /must be a number/);
  });

  it("clones VMs where writes may stay in the guest, unless the file says otherwise", async () => {
    const template = async (text: string) => (await load(text)).factory.template;
    const guest = '[runtime]\nrootfs_writes = "guest"\n';
    assert.equal(await template(""), false);
    assert.equal(await template(guest), "auto");
    assert.equal(await template(`${guest}[factory]\nenable_template = "default"\n`), "auto");
    for (const said of [true, false])
      assert.equal(await template(`${guest}[factory]\nenable_template = ${said}\n`), said);
  });

  it("counts the CPUs that the process may use", async () => {
    assert.equal(countCpus("0-3,8"), 5);
    assert.ok((await hostCpus(os)) >= 1);
  });
});
