import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { mappedImage } from "../../test/support/mapped-image.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import { isKumiteError } from "../util/errors.ts";
import { matchesGlob } from "./globs.ts";
import { hostCpus } from "./host-cpus.ts";
import { loadConfig } from "./load.ts";

const installRoot = "/opt/kumite";
const os = nodeOs({ installRoot });
const hypervisor = "io.katacontainers.config.hypervisor.";
let directory: string;
let file: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), "kumite-annotations-"));
  file = join(directory, "configuration.toml");
});
after(() => rmSync(directory, { recursive: true }));

function made(name: string, content = mappedImage): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function load(annotations: Record<string, string>, text = '[hypervisor.qemu]\nenable_annotations = [".*"]\n') {
  writeFileSync(file, text);
  return loadConfig(os, { installRoot, path: file, annotations });
}

async function refused(loading: Promise<unknown>, ...about: RegExp[]): Promise<void> {
  await assert.rejects(loading, (error) => {
    assert.ok(isKumiteError(error, "config/invalid"), String(error));
    for (const what of about) assert.match(`${error.message}; ${error.hint}`, what);
    return true;
  });
}

describe("an annotation", () => {
  it("changes what the configuration allows it to change", async () => {
    const config = await load(
      {
        [`${hypervisor}default_vcpus`]: "0.5",
        [`${hypervisor}default_memory`]: "512",
        [`${hypervisor}kernel_params`]: "b=2",
        "io.katacontainers.config.runtime.disable_guest_seccomp": "T",
        "com.example": "x",
      },
      '[hypervisor.qemu]\nkernel_params = "a=1"\nenable_annotations = ["default_.*", "kernel_params"]\n',
    );
    assert.equal(config.qemu.defaultVcpus, 0.5);
    assert.equal(config.qemu.memoryMiB, 512);
    assert.deepEqual(config.qemu.kernelParameters, ["a=1", "b=2"]);
    assert.equal(config.guestSeccomp, false);
    assert.deepEqual(config.notices, []);
  });

  it("that is not enabled aborts; a part of a name enables nothing", async () => {
    const one = { [`${hypervisor}default_memory`]: "512" };
    await refused(load(one, ""), /annotation io\.katacontainers\.config\.hypervisor\.default_memory is not enabled/);
    await refused(load(one, '[hypervisor.qemu]\nenable_annotations = ["default"]'), /is not enabled/);
    await load({ [`${hypervisor}kernel_params`]: "x" }, "");
  });

  it("with an unreadable value aborts, with the key", async () => {
    const wrong = (name: string, value: string, ...about: RegExp[]) =>
      refused(load({ [hypervisor + name]: value }), ...about);
    await wrong("default_memory", "1G", /default_memory: hypervisor.qemu.default_memory must be a number/);
    await wrong("default_memory", "255", /must be at least 256/);
    await wrong("default_vcpus", "99999", /default_vcpus is 99999, but the host has/);
    await wrong("default_max_vcpus", "99999", /a VM on this host can have at most/);
    await wrong("enable_hugepages", "yes", /must be true or false/);
    await wrong("machine_type", "vax", /must be one of/);
    await wrong("block_device_driver", "ide", /Invalid hypervisor block storage driver ide/);
    await wrong("defaultmemory", "512", /is not a known annotation.*did you mean .*default_memory\?/);
    await refused(load({ "io.katacontainers.config.agent.policy": "x" }), /has no effect here: this agent enforces no/);
  });

  it("that cannot be obeyed is reported, aborts where security depends on it, and is ignored if it asks for what is so anyway", async () => {
    const label = "io.katacontainers.config.runtime.guest_selinux_label";
    await refused(load({ [label]: "a:b:c:d" }), /has no effect here: the guest has no SELinux policy/);
    await load({ [`${hypervisor}rootless`]: "false" });
    const { notices } = await load({ "io.katacontainers.config.runtime.internetworking_model": "macvtap" });
    assert.match(notices.join(), /annotation .*internetworking_model: has no effect here: VMs have no network/);
  });

  it("for other parts of the system is reported or ignored", async () => {
    const { notices } = await load({
      "io.katacontainers.pkg.oci.bundle_path": "/b",
      "io.katacontainers.container.resource.swappiness": "1",
    });
    assert.deepEqual(notices, ["annotation io.katacontainers.container.resource.swappiness: it has no effect"]);
  });

  it("with a path must name a file that the globs allow", async () => {
    mkdirSync(join(directory, "bin"), { recursive: true });
    const qemu = made("bin/qemu");
    const text = (glob: string) =>
      `[hypervisor.qemu]\nenable_annotations = [".*"]\nvalid_hypervisor_paths = ["${directory}/${glob}"]\n`;
    assert.equal((await load({ [`${hypervisor}path`]: qemu }, text("bin/*"))).qemu.path, qemu);
    await refused(load({ [`${hypervisor}path`]: qemu }), /path: .*bin\/qemu is not allowed.*valid_hypervisor_paths/);
    await refused(load({ [`${hypervisor}path`]: qemu }, text("*")), /is not allowed/);
    await refused(load({ [`${hypervisor}path`]: `${directory}/bin/../bin/qemu` }, text("bin/*")), /is not allowed/);
    await refused(load({ [`${hypervisor}path`]: `${directory}/bin/other` }, text("bin/*")), /is not allowed/);
  });

  it("with an image or initrd replaces the configured one of either kind", async () => {
    const [initrd, image] = [made("i"), made("image")];
    const text = `[hypervisor.qemu]\ninitrd = "${initrd}"\nenable_annotations = [".*"]\n`;
    const same = await load({ [`${hypervisor}initrd`]: initrd }, text);
    assert.equal(same.qemu.initrd, initrd);
    const asked = load({ [`${hypervisor}image`]: image }, text).then(
      ({ qemu }) => [qemu.image, qemu.initrd],
      (error) => assert.match(String(error), /has no effect here/),
    );
    assert.deepEqual((await asked) ?? [image, undefined], [image, undefined]);
    await refused(load({ [`${hypervisor}kernel`]: "vmlinux" }), /must be an absolute path/);
    await refused(
      load({ [`${hypervisor}kernel`]: "/no/kernel" }),
      /annotation .*kernel: hypervisor.qemu.kernel: .*no such file/,
    );
  });

  it("with a hash verifies the file", async () => {
    const kernel = made("kernel", "a kernel");
    const sum = createHash("sha512").update("a kernel").digest("hex");
    const of = (hash: string, type?: string, path = kernel) =>
      load({
        [`${hypervisor}kernel`]: path,
        [`${hypervisor}kernel_hash`]: hash,
        ...(type !== undefined && { "io.katacontainers.asset_hash_type": type }),
      });
    assert.equal((await of(sum, "sha512")).qemu.kernel, kernel);
    await refused(of("00"), new RegExp(`Invalid hash for ${kernel}: computed ${sum}, expecting 00`));
    await refused(of(sum, "md5"), /Invalid hash type: md5/);
    await refused(of(sum, "sha512", made("empty", "")), /empty is empty/);
    await refused(load({ [`${hypervisor}image_hash`]: sum }), /image is not set/);
  });

  it("names another configuration where that is allowed", async () => {
    const other = made("other.toml", "[agent.kata]\ndial_timeout = 7\n");
    const named = { "io.katacontainers.config_path": other };
    await refused(load(named), /config_path: .*other.toml is not allowed.*valid_config_paths/);
    const config = await load(named, `[runtime]\nvalid_config_paths = ["${directory}/o*.toml"]\n`);
    assert.equal(config.agent.dialTimeoutMs, 7000);
    assert.equal(config.file, other);
  });

  it("of an old release is read with that release's rules", async () => {
    const old = (era: string) => `[runtime]\nconfig_era = "${era}"\n`;
    const vcpus = { [`${hypervisor}default_vcpus`]: "0.5" };
    const text = `[hypervisor.qemu]\ninitrd = "${made("i")}"\nenable_annotations = [".*"]\n`;
    await refused(load(vcpus, text + old("1.6")), /default_vcpus must be a number/);
    assert.equal((await load({ [`${hypervisor}default_memory`]: "100" }, text + old("1.6"))).qemu.memoryMiB, 100);
    assert.ok((await hostCpus(os)) >= 1);
  });
});

describe("a glob", () => {
  const matches: readonly [pattern: string, path: string, result: boolean][] = [
    ["/usr/bin/qemu*", "/usr/bin/qemu-system", true],
    ["/usr/bin/*", "/usr/bin/a/b", false],
    ["/usr/*/x", "/usr/../x", false],
    ["/usr/*/x", "/usr/.hidden/x", true],
    ["/a/?", "/a/b", true],
    ["/a/?", "/a/bc", false],
    ["/a/[b-d]", "/a/c", true],
    ["/a/[^b-d]", "/a/c", false],
    ["/a/[b", "/a/b", false],
    ["/a/\\*", "/a/*", true],
    ["/a/\\*", "/a/b", false],
    ["/a/[]]", "/a/]", false],
    ["/a.c", "/abc", false],
    ["/a", "/a/", false],
    ["", "", true],
  ];
  for (const [pattern, path, result] of matches) {
    it(`${JSON.stringify(pattern)} ${result ? "matches" : "does not match"} ${path}`, () => {
      assert.equal(matchesGlob(pattern, path), result);
    });
  }
});
