import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { nodeOs } from "../sys/node/node-os.ts";
import { isKumiteError } from "../util/errors.ts";
import { resolveConfig } from "./config.ts";
import { countCpus, hostCpus } from "./host-cpus.ts";
import { loadConfig, parseConfig } from "./load.ts";

const file = "/etc/k.toml";
const surroundings = { installRoot: "/opt/kumite", hostCpus: 4 };

function refused(text: string, message: string): void {
  assert.throws(
    () => parseConfig(text, file),
    (error) => {
      assert.ok(isKumiteError(error, "config/invalid"), String(error));
      assert.equal(error.message, message);
      return true;
    },
  );
}

function resolved(text: string) {
  return resolveConfig(parseConfig(text, file), surroundings);
}

describe("a configuration file", () => {
  it("may be empty: everything has a default", () => {
    const config = resolved("");
    assert.equal(config.hypervisor, "qemu");
    assert.equal(config.qemu.kernel, "/opt/kumite/vmlinux");
    assert.equal(config.qemu.initrd, "/opt/kumite/initrd.img");
    assert.equal(config.qemu.accelerator, "auto");
    assert.equal(config.qemu.vcpus, 1);
    assert.equal(config.qemu.memoryMiB, 2048);
    assert.equal(config.agent.dialTimeoutMs, 45_000);
    assert.equal(config.guestSeccomp, true);
    assert.deepEqual(config.notices, []);
  });

  it("says everything with the keys of Kata Containers", () => {
    const { qemu, agent, hypervisor, guestSeccomp } = resolved(`
      [hypervisor.qemu]
      path = "/q"
      kernel = "/k"
      initrd = "/i"
      machine_type = "q35"
      default_vcpus = 2
      default_memory = 512
      kernel_params = " a=1  b "
      virtio_fs_daemon = "/v"
      accelerator = "tcg"
      enable_debug = true
      [agent.kata]
      dial_timeout = 3
      [runtime]
      hypervisor = "process"
      disable_guest_seccomp = true
    `);
    assert.deepEqual(qemu, {
      path: "/q",
      kernel: "/k",
      initrd: "/i",
      virtioFsDaemons: ["/v"],
      accelerator: "tcg",
      vcpus: 2,
      memoryMiB: 512,
      kernelParameters: ["a=1", "b"],
      debug: true,
    });
    assert.equal(agent.dialTimeoutMs, 3000);
    assert.equal(hypervisor, "process");
    assert.equal(guestSeccomp, false);
  });

  it("is refused for a key that nobody reads", () => {
    refused("[hypervisor.qemu]\ndefault_vcpu = 1", `${file}: hypervisor.qemu.default_vcpu is not a known key`);
    refused("[hypervisor.firecracker]", `${file}: hypervisor.firecracker is not a known key`);
  });

  it("is refused for a value of the wrong type", () => {
    refused(
      '[hypervisor.qemu]\ndefault_memory = "1G"',
      `${file}: hypervisor.qemu.default_memory must be a number, not "1G"`,
    );
    refused("hypervisor = 1", `${file}: hypervisor must be a table, not 1`);
    refused("[runtime]\nenable_debug = []", `${file}: runtime.enable_debug must be a boolean, not a list`);
  });

  it("is refused for a value out of range", () => {
    refused('[hypervisor.qemu]\nkernel = "k"', `${file}: hypervisor.qemu.kernel is "k", but must be an absolute path`);
    refused(
      "[agent.kata]\ndial_timeout = 1.5",
      `${file}: agent.kata.dial_timeout is 1.5, but must be an integer from 0 to 3600 (seconds)`,
    );
    refused(
      '[hypervisor.qemu]\nmachine_type = "pc"',
      `${file}: hypervisor.qemu.machine_type is "pc", but must be one of "q35"`,
    );
  });

  it("is refused with line and column when it is not TOML", () => {
    assert.throws(
      () => parseConfig("a = 1\nb = ", file),
      (error) => isKumiteError(error, "config/invalid") && error.message.startsWith("/etc/k.toml:2:"),
    );
  });

  it("gets no more vCPUs than the host has, and says so", () => {
    const config = resolved("[hypervisor.qemu]\ndefault_vcpus = 9");
    assert.equal(config.qemu.vcpus, 4);
    assert.match(config.notices.join(), /default_vcpus is 9, the host has 4/);
    assert.equal(resolved("[hypervisor.qemu]\ndefault_vcpus = -1").qemu.vcpus, 4);
  });

  it("never makes a VM too small to boot, and says so", () => {
    const config = resolved("[hypervisor.qemu]\ndefault_memory = 64");
    assert.equal(config.qemu.memoryMiB, 2048);
    assert.match(config.notices.join(), /default_memory is 64 MiB/);
  });
});

describe("loading the configuration", () => {
  const os = nodeOs({ installRoot: "/opt/kumite" });

  it("needs the file that was asked for", async () => {
    await assert.rejects(
      loadConfig(os, { installRoot: "/opt/kumite", path: "/nonexistent/k.toml" }),
      (error) => isKumiteError(error, "config/invalid") && error.message.includes("/nonexistent/k.toml"),
    );
  });

  it("reads the file that was asked for", async () => {
    const directory = mkdtempSync(join(tmpdir(), "kumite-config-"));
    try {
      const path = join(directory, "k.toml");
      writeFileSync(path, "[hypervisor.qemu]\ndefault_memory = 300\n");
      assert.equal((await loadConfig(os, { installRoot: "/opt/kumite", path })).qemu.memoryMiB, 300);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("counts the CPUs that the process may use", async () => {
    assert.equal(countCpus("0-3,8"), 5);
    assert.ok((await hostCpus(os)) >= 1);
  });
});
