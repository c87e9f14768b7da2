import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse } from "smol-toml";
import { loadConfig } from "../config/load.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import { runCli } from "./run-cli.ts";

const os = nodeOs({ installRoot: "/nowhere" });
let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "kumite-config-"));
});
after(() => rm(directory, { recursive: true }));

async function kumite(words: readonly string[], env: Record<string, string> = {}) {
  let [out, err] = ["", ""];
  const output = {
    out: async (text: string) => {
      out += text;
    },
    err: async (text: string) => {
      err += text;
    },
  };
  const self = { ...os.self, argv: ["kumite", ...words], env, executable: "/opt/k/kumite", cwd: () => directory };
  return { status: await runCli({ ...os, self }, { output }), out, err };
}

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

describe("the verb config", () => {
  it("show prints a file with the effective values, within their limits", async () => {
    const path = await file("show.toml", "[hypervisor.qemu]\ndefault_memory = 3\n[netmon]\n");
    const { status, out } = await kumite(["--config", path, "config", "show"]);
    assert.equal(status, 0);
    const shown = parse(out) as { hypervisor: { qemu: Record<string, unknown> }; runtime: Record<string, unknown> };
    assert.equal(shown.hypervisor.qemu.default_memory, 2048);
    assert.equal(shown.hypervisor.qemu.kernel, "/opt/k/vmlinux");
    assert.equal(shown.runtime.hypervisor, "qemu");
    const json = await kumite(["--config", path, "config", "show", "--json"]);
    // Tables parsed from TOML have no prototype; the round trip through JSON gives them one.
    assert.deepEqual(JSON.parse(json.out), JSON.parse(JSON.stringify(shown)));
  });

  it("show prints where each value comes from", async () => {
    await mkdir(join(directory, "a/config.d"), { recursive: true });
    const path = await file("a/configuration.toml", "[hypervisor.qemu]\n  default_memory = 300\n");
    await file("a/config.d/x.conf", "\n[runtime]\nenable_debug = true\n");
    const global = ["--kata-config", path, "--set", "agent.kata.dial_timeout=9"];
    const { out } = await kumite([...global, "config", "show", "--origin"]);
    assert.match(out, new RegExp(`^default_memory = 300 {2}# ${path}:2:3$`, "m"));
    assert.match(out, new RegExp(`^enable_debug = true {2}# ${directory}/a/config.d/x.conf:3:1$`, "m"));
    assert.match(out, /^dial_timeout = 9 {2}# --set agent.kata.dial_timeout=9$/m);
    assert.match(out, /^default_vcpus = 1 {2}# built-in$/m);
    const json = JSON.parse((await kumite([...global, "config", "show", "--origin", "--json"])).out);
    assert.deepEqual(json.hypervisor.qemu.default_memory, {
      value: 300,
      origin: { kind: "file", file: path, line: 2, column: 3 },
    });
    assert.deepEqual(json.agent.kata.dial_timeout.origin, { kind: "command-line", word: "agent.kata.dial_timeout=9" });
  });

  it("check reports all errors at once, in the order of the file", async () => {
    const path = await file(
      "bad.toml",
      '[hypervisor.qemu]\nkernel = "/no/kernel"\ndefault_vcpu = 3\ndefault_memory = "x"\nenable_numa = true\n[runtim]\n',
    );
    const { status, out } = await kumite(["config", "check", "bad.toml"]);
    assert.equal(status, 1);
    assert.deepEqual(
      out.split("\n").filter((line) => !line.startsWith("  try: give")),
      [
        `${path}:2:1: error: hypervisor.qemu.kernel: open /no/kernel: no such file or directory`,
        `${path}:3:1: error: hypervisor.qemu.default_vcpu is not a known key`,
        "  try: did you mean default_vcpus?",
        `${path}:4:1: error: hypervisor.qemu.default_memory must be a number (MiB), not "x"`,
        `${path}:5:1: note: hypervisor.qemu.enable_numa has no effect: a VM has one NUMA node`,
        `${path}:6:1: error: runtim is not a known table`,
        "  try: did you mean runtime?",
        "4 errors",
        "",
      ].map((line) =>
        line.replace("open /no/kernel", out.includes("realpath") ? "realpath /no/kernel" : "open /no/kernel"),
      ),
    );
    const json = JSON.parse((await kumite(["config", "check", "--json", "bad.toml"])).out);
    assert.deepEqual(json[1], {
      severity: "error",
      kind: "file",
      file: path,
      line: 3,
      column: 1,
      key: "hypervisor.qemu.default_vcpu",
      reason: "hypervisor.qemu.default_vcpu is not a known key",
      hint: "did you mean default_vcpus?",
    });
  });

  it("check accepts a correct file, also the one that the environment names", async () => {
    const path = await file("good.toml", "[hypervisor.qemu]\n");
    const { status, out } = await kumite(["config", "check"], { KATA_CONF_FILE: path });
    assert.deepEqual([status, out], [0, `${path} is correct\n`]);
  });

  it("default prints a file that results in the defaults", async () => {
    const path = await file("default.toml", (await kumite(["config", "default"])).out);
    const empty = await file("empty.toml", "");
    // `memorySlotsGiven` is whether the file names the key, so it differs between the two files by design.
    const load = async (from: string) => {
      const { qemu, ...config } = await loadConfig(os, { installRoot: "/i", path: from });
      return { ...config, qemu: { ...qemu, memorySlotsGiven: true }, file: "" };
    };
    assert.deepEqual(await load(path), await load(empty));
  });

  it("refuses an unknown action, and a file where none is expected", async () => {
    assert.match((await kumite(["config", "sho"])).err, /unknown value "sho"/);
    assert.match((await kumite(["config", "show", "x"])).err, /unexpected argument "x"/);
  });

  it("reads the file that the flag names", async () => {
    const { out } = await kumite(["--kata-show-default-config-paths"]);
    assert.equal(out.split("\n")[0], "/etc/kumite/configuration.toml");
    assert.match(out, /^\/usr\/share\/defaults\/kata-containers\/configuration.toml$/m);
  });
});
