import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { isKumiteError } from "../util/errors.ts";
import { loadBundle } from "./bundle.ts";
import { checkContainerId, checkExecId } from "./container-id.ts";
import { defaultSpec } from "./default-spec.ts";
import type { OciSpec } from "./spec.ts";
import { loadProcess } from "./validate.ts";

const os = testOs();

describe("a bundle", () => {
  let place: string;
  let count = 0;

  before(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-bundle-"));
  });
  after(() => rm(place, { recursive: true }));

  async function bundle(config: string | OciSpec | undefined, withRoot = true): Promise<string> {
    const directory = path.join(place, String(count++));
    await mkdir(withRoot ? path.join(directory, "rootfs") : directory, { recursive: true });
    const text = typeof config === "object" ? JSON.stringify(config) : config;
    if (text !== undefined) await writeFile(path.join(directory, "config.json"), text);
    return directory;
  }

  async function complaint(directory: string): Promise<string> {
    try {
      await loadBundle(os, directory);
      return "accepted";
    } catch (error) {
      assert.ok(isKumiteError(error, "oci/bundle-invalid", "oci/spec-invalid"), String(error));
      return error.message.replaceAll(directory, "B");
    }
  }

  it("is loaded with its real path and its root file system", async () => {
    const directory = await bundle(defaultSpec());
    const link = path.join(place, "link");
    await symlink(directory, link);
    const loaded = await loadBundle(os, link);
    assert.equal(loaded.path, directory);
    assert.equal(loaded.rootfs, `${directory}/rootfs`);
    assert.equal(loaded.rootfsKind, "directory");
    assert.deepEqual(loaded.spec, defaultSpec());
  });

  it("is not changed", async () => {
    const directory = await bundle(defaultSpec());
    const before = await readFile(`${directory}/config.json`, "utf8");
    await loadBundle(os, directory);
    assert.equal(await readFile(`${directory}/config.json`, "utf8"), before);
  });

  it("must exist, be a directory and have a config.json", async () => {
    assert.match(await complaint(path.join(place, "none")), /^bundle cannot be used: .*no such file or directory/);
    const file = path.join(await bundle(undefined), "file");
    await writeFile(file, "");
    assert.equal(await complaint(file), "bundle B is not a directory");
    assert.match(await complaint(await bundle(undefined)), /B\/config.json: no such file or directory$/);
  });

  it("must have a config.json that is JSON; the error has the position", async () => {
    const text = '{\n  "ociVersion": "1.0.2",\n  "process" {}\n}';
    assert.equal(await complaint(await bundle(text)), 'B/config.json: line 3, column 13: expected ":"');
    assert.match(await complaint(await bundle("")), /line 1, column 1: the document ends too early/);
    assert.equal(
      await complaint(await bundle("[]")),
      "B/config.json: the document is wrong: expected an object, got an array",
    );
  });

  it("may have a config.json of at most one mebibyte", async () => {
    const long = { ...defaultSpec(), annotations: { long: "x".repeat(1024 * 1024) } };
    assert.equal(await complaint(await bundle(long)), "B/config.json: the file is larger than 1048576 bytes");
  });

  it("may contain null for a value that is not set", async () => {
    const spec = { ...defaultSpec(), hooks: null, annotations: null };
    assert.equal(await complaint(await bundle(JSON.stringify(spec))), "accepted");
  });

  it("must have a process, a root and the Linux part", async () => {
    const { process, ...noProcess } = defaultSpec();
    const { root, ...noRoot } = defaultSpec();
    const { linux, ...noLinux } = defaultSpec();
    assert.equal(
      await complaint(await bundle(noProcess)),
      "B/config.json: process is missing: there is nothing to run",
    );
    assert.equal(await complaint(await bundle(noRoot)), "B/config.json: root is missing");
    assert.match(await complaint(await bundle(noLinux)), /^B\/config.json: linux is missing \(missing Linux section\)/);
    assert.ok(process !== undefined && root !== undefined && linux !== undefined);
  });

  it("must have a root file system that is a directory or a disk", async () => {
    assert.match(
      await complaint(await bundle(defaultSpec(), false)),
      /^root.path cannot be used: .*B\/rootfs: no such file/,
    );
    const directory = await bundle({ ...defaultSpec(), root: { path: "/dev/null" } });
    assert.equal(await complaint(directory), "root.path: /dev/null is neither a directory nor a disk");
    const image = await loadBundle(os, await bundle({ ...defaultSpec(), root: { path: "config.json" } }));
    assert.equal(image.rootfsKind, "file");
  });

  it("may not name a namespace or a limit twice", async () => {
    const spec = defaultSpec();
    spec.linux.namespaces?.push({ type: "pid" });
    assert.equal(await complaint(await bundle(spec)), "B/config.json: linux.namespaces[5] is a second entry for pid");
    const limits = defaultSpec();
    limits.process.rlimits?.push({ type: "RLIMIT_NOFILE", hard: 1, soft: 1 });
    assert.match(await complaint(await bundle(limits)), /process.rlimits\[1\] is a second entry for RLIMIT_NOFILE/);
  });

  it("has processes for exec in separate files, with the same checks", async () => {
    const file = path.join(place, "process.json");
    await writeFile(file, JSON.stringify({ args: ["true"], cwd: "relative" }));
    await assert.rejects(loadProcess(os, file), { message: `${file}: cwd must be an absolute path: "relative"` });
    await writeFile(file, JSON.stringify({ args: ["true"], cwd: "/" }));
    assert.deepEqual((await loadProcess(os, file)).args, ["true"]);
  });
});

describe("an id", () => {
  it("has a restricted alphabet and at most 128 characters", () => {
    for (const id of ["a", "web-1", "A_b.c+d", "0", "x".repeat(128)]) {
      assert.doesNotThrow(() => checkContainerId(id));
      assert.doesNotThrow(() => checkExecId(id));
    }
    for (const id of ["", ".hidden", "-a", "a/b", "a b", "..", "ä", "a\n", "x".repeat(129), "a\0"]) {
      assert.throws(() => checkContainerId(id), /is not valid/, JSON.stringify(id));
      assert.throws(() => checkExecId(id), /is not valid/, JSON.stringify(id));
    }
  });
});
