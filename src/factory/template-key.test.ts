import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { fileHashes } from "./file-hash.ts";
import { templateKey } from "./template-key.ts";

describe("the key of a template", () => {
  let directory: string;
  let os: ReturnType<typeof testOs>;
  const file = (name: string) => path.join(directory, name);
  const store = () => file("store");

  before(() => {
    directory = mkdtempSync(path.join(tmpdir(), "kumite-key-"));
    os = testOs();
    for (const name of ["qemu", "kernel", "initrd"]) writeFileSync(file(name), `this is ${name}\n`);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function configOf(...lines: string[]): Promise<Config> {
    const toml = file("configuration.toml");
    const qemu = lines.some((line) => line.startsWith("path")) ? [] : [`path = "${file("qemu")}"`];
    const machine = ["[hypervisor.qemu]", ...qemu, `kernel = "${file("kernel")}"`, ...lines];
    const initrd = lines.some((line) => line.startsWith("initrd")) ? [] : [`initrd = "${file("initrd")}"`];
    writeFileSync(toml, [...machine, ...initrd, "[factory]", `template_path = "${store()}"`, ""].join("\n"));
    return loadConfig(os, { installRoot: directory, path: toml });
  }
  const keyOf = async (config: Config, scope = "") => templateKey(os, config, "directory", scope);

  it("depends on the content of the files, not on their paths and times", async () => {
    const key = await keyOf(await configOf());
    copyFileSync(file("initrd"), file("copy"));
    assert.equal(await keyOf(await configOf(`initrd = "${file("copy")}"`)), key);
    utimesSync(file("kernel"), 1, 2);
    assert.equal(await keyOf(await configOf()), key);
  });

  it("changes with the content of a file, even if size and time stay the same", async () => {
    writeFileSync(file("kernel"), "one");
    utimesSync(file("kernel"), 1, 1);
    const config = await configOf();
    const key = await keyOf(config);
    writeFileSync(file("kernel"), "two");
    utimesSync(file("kernel"), 1, 1);
    assert.notEqual(await keyOf(config), key);
  });

  it("changes with the firmware that comes with QEMU", async () => {
    mkdirSync(file("opt/bin"), { recursive: true });
    mkdirSync(file("opt/share/qemu"), { recursive: true });
    copyFileSync(file("qemu"), file("opt/bin/qemu"));
    const firmware = file("opt/share/qemu/qboot.rom");
    const keyWith = async (content: string, ...lines: string[]) => {
      writeFileSync(firmware, content);
      return keyOf(await configOf(`path = "${file("opt/bin/qemu")}"`, ...lines));
    };
    assert.notEqual(await keyWith("one"), await keyWith("two"));
    const own = `firmware = "${file("kernel")}"`;
    assert.equal(await keyWith("one", own), await keyWith("two", own));
  });

  it("changes with the VM's configuration, and with the scope", async () => {
    const key = await keyOf(await configOf());
    assert.notEqual(await keyOf(await configOf("default_memory = 777")), key);
    assert.notEqual(await keyOf(await configOf(), "root /elsewhere"), key);
    assert.equal(await keyOf(await configOf()), key);
  });

  it("is computed without reading unchanged files, and also with a damaged list of hashes", async () => {
    const config = await configOf();
    const key = await keyOf(config);
    const list = path.join(store(), "hashes.json");
    const text = readFileSync(list, "utf8");
    // With wrong hashes in the list the key changes, which proves that the files were not read.
    writeFileSync(list, text.replaceAll(/"sha256":"[0-9a-f]{64}"/g, `"sha256":"${"0".repeat(64)}"`));
    assert.notEqual(await keyOf(config), key);
    for (const damaged of ["", "{", "[]", text.slice(0, 80), '{"version":1,"files":[1,{"path":2}]}']) {
      writeFileSync(list, damaged);
      assert.equal(await keyOf(config), key, damaged);
    }
    assert.ok(existsSync(list));
  });

  it("is remembered for the files of all concurrent callers", async () => {
    const names = Array.from({ length: 8 }, (_, index) => `asset-${index}`);
    for (const name of names) writeFileSync(file(name), name);
    const hashes = await Promise.all(names.map((name) => fileHashes(os, store(), [file(name)])));
    const { files } = JSON.parse(readFileSync(path.join(store(), "hashes.json"), "utf8")) as {
      files: { path: string; sha256: string }[];
    };
    for (const [index, name] of names.entries()) {
      assert.equal(files.find((entry) => entry.path === file(name))?.sha256, hashes[index]?.[0], name);
    }
  });

  it("names a file that is missing", async () => {
    const config = await configOf();
    execFileSync("mv", [file("initrd"), file("away")]);
    await assert.rejects(keyOf(config), /initrd is missing/);
    execFileSync("mv", [file("away"), file("initrd")]);
  });
});
