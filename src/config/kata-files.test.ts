/** Files of old and new releases of Kata Containers are used unchanged, each by the rules of its time. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { mappedImage } from "../../test/support/mapped-image.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
import { hostCpus } from "./host-cpus.ts";
import { loadConfig, loadSettings } from "./load.ts";

const fixtures = join(import.meta.dirname, "../../test/fixtures/configuration");
const installRoot = "/opt/kumite";
const plainOs = nodeOs({ installRoot });
/** Hides the differences between hosts. */
const os: Os = {
  ...plainOs,
  files: {
    ...plainOs.files,
    status: (path) => (path === "/dev/vhost-vsock" ? Promise.resolve(undefined) : plainOs.files.status(path)),
  },
};
let directory: string;
let file: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), "kumite-kata-"));
  file = join(directory, "configuration.toml");
});
after(() => rmSync(directory, { recursive: true }));

/** Creates an asset. */
function made(name: string, content = mappedImage): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** A fixture, with all files that it names. */
function fixture(name: string): string {
  const text = readFileSync(join(fixtures, name), "utf8");
  for (const [, asset = ""] of text.matchAll(/"@DIR@\/([^"]+)"/g)) made(asset);
  return text.replaceAll("@DIR@", directory);
}

function load(text: string, overrides: readonly string[] = []) {
  writeFileSync(file, text);
  return loadConfig(os, { installRoot, path: file, overrides });
}

async function refused(loading: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(loading, (error) => {
    assert.ok(isKumiteError(error, "config/invalid"), String(error));
    assert.match(error.message, message);
    return true;
  });
}

const era = (name: string) => `[runtime]\nconfig_era = "${name}"\n`;
const qemu = (lines: string) => `[hypervisor.qemu]\ninitrd = "${made("i")}"\n${lines}\n`;

describe("a file of Kata Containers", () => {
  for (const name of readdirSync(fixtures)) {
    it(`of ${name} has no unknown key`, async () => {
      const release = ["3.x", "1.0", "1.4"].find((known) => name.startsWith(known)) ?? "1.6";
      const text = fixture(name).replace("[runtime]", `[runtime]\nconfig_era = "${release}"`);
      writeFileSync(file, text);
      const { problems } = await loadSettings(os, { installRoot, path: file });
      assert.deepEqual(
        problems.filter(({ severity, reason }) => severity !== "notice" && !reason.startsWith("No vsock support")),
        [],
      );
      for (const { reason, origin } of problems.filter(({ severity }) => severity === "notice")) {
        assert.match(reason, /has no effect/);
        assert.ok(origin.kind === "file" && origin.line !== undefined);
      }
    });
  }

  it("results in the VM that it describes", async () => {
    const config = await load(fixture("3.x-qemu.toml"));
    assert.equal(config.qemu.image, join(directory, "kata-containers.img"));
    assert.equal(config.qemu.initrd, undefined);
    assert.equal(config.qemu.cpuFeatures, "pmu=off");
    assert.deepEqual(config.qemu.sharing.virtioFsExtraArguments, ["--thread-pool-size=1", "--announce-submounts"]);
    assert.equal(config.qemu.nestingChecks, false);
    assert.equal(config.guestSeccomp, false);
    const clh = await load(fixture("3.x-clh.toml"));
    assert.equal(clh.hypervisor, "clh");
    assert.deepEqual([clh.clh.vcpus, clh.clh.defaultVcpus], [1, 0.5]);
    assert.equal(clh.clh.vhostNet, false);
    const firecracker = await load(fixture("1.6-firecracker.toml"));
    assert.equal(firecracker.firecracker.block.driver, "virtio-mmio");
    assert.equal(firecracker.proxy.kind, "none");
    const old = await load(fixture("1.12-qemu.toml"));
    assert.deepEqual([old.qemu.pcieRootPorts, old.qemu.vcpus], [2, await hostCpus(os)]);
    assert.equal(old.qemu.machineType, "pc");
    const jailed = await load(fixture("3.x-fc.toml"));
    assert.equal(jailed.firecracker.jailerPath, join(directory, "jailer"));
    assert.deepEqual([jailed.firecracker.vhostNet, jailed.runtime.staticResources], [false, true]);
  });

  it("of the releases between has their factory, limits and network", async () => {
    const of = (name: string, release: string) =>
      load(fixture(name).replace("[runtime]", `[runtime]\nconfig_era = "${release}"`));
    const template = await of("1.4-qemu.toml", "1.4");
    assert.deepEqual([template.factory.template, template.qemu.debug, template.debug], [true, true, true]);
    assert.deepEqual([template.qemu.kernelParameters, template.runtime.networkModel], [["agent.log=debug"], "macvtap"]);
    const cache = await of("1.6-qemu.toml", "1.6");
    assert.deepEqual([cache.factory.cacheNumber, cache.qemu.memoryMiB, cache.qemu.bridges], [3, 512, 5]);
    assert.deepEqual([cache.qemu.memorySlots, cache.qemu.sharing.msize9pBytes], [10, 8192]);
    assert.equal(cache.qemu.defaultVcpus, await hostCpus(os));
    assert.deepEqual(cache.qemu.block.cache, { direct: true, noFlush: false });
    assert.deepEqual([cache.netmon.enabled, cache.qemu.vhostNet], [true, false]);
  });

  it("of the first release may have image and initrd, and fails if one is missing", async () => {
    const text = fixture("1.0-qemu.toml");
    const first = text.replace("[runtime]", '[runtime]\nconfig_era = "1.0"');
    assert.ok((await load(first)).qemu.image);
    await refused(load(text), /having both an image and an initrd defined in the configuration file is not supported/);
    await refused(load(first.replace("containers.img", "no.img")), /hypervisor.qemu.image: .*no such file/);
  });
});

describe("the rules of an era", () => {
  it("before 3.x include memory from 8 MiB on, and whole vCPUs", async () => {
    for (const name of ["1.0", "1.4", "1.6"]) {
      assert.equal((await load(qemu("default_memory = 8") + era(name))).qemu.memoryMiB, 8);
      assert.equal((await load(qemu("default_memory = 7") + era(name))).qemu.memoryMiB, 2048);
      await refused(load(qemu("default_vcpus = 0.5") + era(name)), /default_vcpus is 0.5, but must be an integer/);
    }
    assert.equal((await load(qemu("default_memory = 255"))).qemu.memoryMiB, 2048);
    assert.equal((await load(qemu("default_memory = 256"))).qemu.memoryMiB, 256);
    assert.equal((await load(qemu("default_vcpus = 0.5"))).qemu.defaultVcpus, 0.5);
  });

  it("of the first one include their own block drivers", async () => {
    const driver = qemu('block_device_driver = "virtio-mmio"');
    await refused(load(driver + era("1.0")), /Invalid value virtio-mmio provided for hypervisor block storage driver/);
    await load(driver + era("1.6"));
  });

  it("before 3.x require a guest image in a hypervisor's table, and from 1.4 on ignore that one of two is missing", async () => {
    const both = (initrd: string, image: string) => `[hypervisor.qemu]\ninitrd = "${initrd}"\nimage = "${image}"\n`;
    await refused(load(`[hypervisor.qemu]\n${era("1.6")}`), /Either initrd or image must be set to a valid path/);
    await refused(load(`[hypervisor.qemu]\n${era("1.0")}`), /Missing image and initrd path/);
    assert.equal((await load(era("1.6"))).qemu.initrd, "/opt/kumite/initrd.img");
    const config = await load(both(made("i"), "/no/image") + era("1.6"));
    assert.deepEqual([config.qemu.initrd, config.qemu.image], [join(directory, "i"), undefined]);
    await refused(
      load(both("/no/initrd", "/no/image") + era("1.6")),
      /Either initrd or image .*\/no\/initrd.*\/no\/image/,
    );
    await refused(load(both(made("i"), made("m")) + era("1.6")), /having both an image and an initrd/);
    await refused(load(both(made("i"), "/no/image")), /having both|image: .*no such file/);
  });

  it("before 3.x exclude template and cache from each other, and both from vsock", async () => {
    const factory = (lines: string) => `[factory]\n${lines}\n`;
    const twice = qemu("") + factory("enable_template = true\nvm_cache_number = 2");
    await refused(load(twice + era("1.6")), /VM factory cannot work together with VM cache/);
    await load(twice);
    await load(twice + era("1.0"));
    const image = `[hypervisor.qemu]\nimage = "${made("m")}"\n${factory("enable_template = true")}`;
    await refused(load(image + era("1.6")), /Factory option enable_template requires an initrd image/);
    await load(image);
    await refused(load("[hypervisor.clh]\n[factory]\nvm_cache_number = 1"), /VM cache just support qemu/);
    await refused(
      load(`${qemu("")}[agent.hyperstart]\n[factory]\nvm_cache_number = 1\n${era("1.6")}`),
      /VM cache just support kata agent/,
    );
  });

  it("fall back to a serial line if the host has no vsock", async () => {
    const { qemu: machine, notices } = await load(qemu("use_vsock = true"));
    assert.equal(machine.vsock, false);
    assert.match(notices.join(), /use_vsock is set, but the host has no \/dev\/vhost-vsock/);
  });

  it("treat unknown kinds of tables differently", async () => {
    await refused(load("[agent.other]"), /other agent type is not supported/);
    await load(`[agent.other]\n${era("1.6")}`);
    assert.match(
      (await load(`[hypervisor.other]\n${era("1.0")}`)).notices.join(),
      /hypervisor.other is not a known table/,
    );
    await refused(load(`[hypervisor.other]\n${era("1.6")}`), /hypervisor.other: there is no such hypervisor/);
    const config = await load(`[proxy.other]\npath = "/p"\n${era("1.6")}`);
    assert.equal(config.proxy.path, "/p");
  });

  it("before 3.x require vsock of the host for Firecracker", async () => {
    const text = fixture("1.6-firecracker.toml");
    assert.equal((await load(text)).hypervisor, "firecracker");
    const old = load(text.replace("[runtime]", `[runtime]\nconfig_era = "1.6"`));
    if (existsSync("/dev/vhost-vsock")) await old;
    else await refused(old, /No vsock support, firecracker cannot be used/);
  });

  it("check the agent's tracing keys if tracing is enabled", async () => {
    const words = '[agent.kata]\ntrace_mode = "sometimes"\ntrace_type = ""\n';
    await load(words);
    await refused(load(`${words}enable_tracing = true`), /agent.kata.trace_mode is "sometimes", but must be one of/);
  });

  it("only apply to eras that exist", async () => {
    await refused(load(era("2.0")), /runtime.config_era is "2.0", but must be one of "1.0", "1.4", "1.6", "3.x"/);
    assert.equal((await load("", ["runtime.config_era=1.6"])).era, "1.6");
  });
});

describe("of several errors", () => {
  /** In the order in which release 1.6 finds them. Each line also has a correct form. */
  const steps: readonly [table: string, wrong: string, right: string, message: RegExp][] = [
    ["runtime", 'enable_debug = "x"', "", /enable_debug must be true or false/],
    ["runtime", 'internetworking_model = "wire"', 'internetworking_model = "macvtap"', /Unknown type wire/],
    ["hypervisor.qemu", 'path = "/no/qemu"', "", /hypervisor.qemu.path: .*no such file/],
    ["hypervisor.qemu", 'kernel = "/no/kernel"', "", /hypervisor.qemu.kernel: .*no such file/],
    [
      "hypervisor.qemu",
      'initrd = "/no/initrd"\nimage = "/no/image"',
      'initrd = "@"',
      /Either initrd or image must be set/,
    ],
    ["hypervisor.qemu", 'firmware = "/no/firmware"', "", /hypervisor.qemu.firmware: .*no such file/],
    ["hypervisor.qemu", 'block_device_driver = "ide"', "", /Invalid hypervisor block storage driver ide/],
    ["proxy.kata", 'path = "proxy"', "", /proxy.kata.path is "proxy", but must be an absolute path/],
    ["shim.kata", 'path = "shim"', "", /shim.kata.path is "shim", but must be an absolute path/],
    ["netmon", "enable_netmon = true", "", /disable_new_netns conflicts with enable_netmon/],
    ["shim.kata", "enable_tracing = true", "", /disable_new_netns only works with 'none' internetworking_model/],
    ["runtime", "disable_new_netns = true", "", /disable_new_netns only works with 'none' internetworking_model/],
    ["hypervisor.qemu", "default_memory = 100", "default_memory = 200", /VM memory \(100MB\) smaller than image/],
    ["factory", "vm_cache_number = 1", "", /VM factory cannot work together with VM cache/],
    ["factory", "enable_template = true", "", /nothing/],
  ];

  it("the one that Kata Containers fails with is reported first", async () => {
    const initrd = made("large-initrd");
    truncateSync(initrd, 150 * 1024 * 1024);
    for (let at = 0; at < steps.length - 1; at++) {
      const tables = new Map<string, string[]>([["runtime", ['config_era = "1.6"']]]);
      for (const [index, [table, wrong, right]] of steps.entries()) {
        const line = (index < at ? right : wrong).replace("@", initrd);
        tables.set(table, [...(tables.get(table) ?? []), line]);
      }
      const text = [...tables].map(([table, lines]) => `[${table}]\n${lines.join("\n")}\n`).join("");
      await refused(load(text), steps[at]?.[3] ?? /nothing/);
    }
  });
});

describe("a contradiction in a configuration", () => {
  const wrong: readonly [text: string, message: RegExp][] = [
    ["[runtime]\ndisable_new_netns = true", /disable_new_netns only works with 'none' internetworking_model/],
    ["[runtime]\ndisable_new_netns = true\n[netmon]\nenable_netmon = true", /conflicts with enable_netmon/],
    ['[runtime]\nexperimental = ["x"]', /Unsupported experimental feature "x"/],
    ['[hypervisor.qemu]\nblock_device_driver = "ide"', /Invalid hypervisor block storage driver ide/],
    ['[hypervisor.qemu]\nshared_fs = "nfs"', /Invalid hypervisor shared file system nfs/],
    ['[hypervisor.clh]\nshared_fs = "virtio-9p"', /does not support virtio-9p/],
    ["[hypervisor.qemu]\nblock_device_logical_sector_size = 1000", /must be 0 or a power of two/],
    [
      "[hypervisor.qemu]\nblock_device_logical_sector_size = 4096\nblock_device_physical_sector_size = 512",
      /larger than block_device_physical_sector_size/,
    ],
    [
      '[hypervisor.qemu]\ncold_plug_vfio = "root-port"\nhot_plug_vfio = "root-port"',
      /are both set, but only one of them can be/,
    ],
    ["[hypervisor.qemu]\nenable_vhost_user_store = true", /needs enable_hugepages/],
    ['[hypervisor.qemu]\nenable_iommu = true\nmachine_type = "pc"', /has no IOMMU/],
    ['[runtime]\nsandbox_bind_mounts = ["/usr/bin", "/bin:ro"]', /two paths end in bin/],
    ['[runtime]\nsandbox_bind_mounts = ["/no/such"]', /sandbox_bind_mounts: .*no such file/],
    ['[hypervisor.qemu]\npflashes = ["/no/flash"]', /pflashes: .*no such file/],
    [
      '[hypervisor.qemu]\nblock_device_aio = "native"',
      /native needs block_device_cache_set and block_device_cache_direct/,
    ],
    ['[hypervisor.qemu]\nblock_device_aio = "magic"', /Invalid hypervisor block storage I\/O mechanism magic/],
    ['[hypervisor.qemu]\nkernel_verity_params = "root_hash=0"', /kernel_verity_params: data_blocks is missing/],
    [
      `[hypervisor.qemu]\nkernel_verity_params = "root_hash=${"0".repeat(64)},data_blocks=1,data_block_size=4096,hash_block_size=4096"`,
      /kernel_verity_params: is set, but image is not/,
    ],
    ['[hypervisor.qemu]\nextra_monitor_socket = "x"', /must be one of "hmp", "qmp", "qmp-pretty"/],
    ['[hypervisor.qemu]\nenable_annotations = ["("]', /\( is not a regular expression/],
    ['[[hypervisor.qemu.guest_extension_images]]\nname = "a b"\npath = "/x"', /the name "a b" may have ASCII letters/],
  ];
  for (const [text, message] of wrong) {
    it(`is reported: ${message.source}`, () => refused(load(text), message));
  }

  it("may be one of sizes: a guest must fit into its memory", async () => {
    const guest = made("large");
    truncateSync(guest, 300 * 1024 * 1024);
    const of = (key: string) => `[hypervisor.qemu]\n${key} = "${guest}"\ndefault_memory = 300\n`;
    await refused(load(of("initrd")), /VM memory \(300MB\) smaller than image ".*large" size \(300MB\)/);
    assert.match((await load(of("image"))).notices.join(), /VM memory \(300MB\) smaller than image/);
    await load(of("initrd").replace("= 300", "= 301"));
    truncateSync(guest, 0);
    await refused(load(of("initrd")), /image ".*large" is empty/);
  });
});
