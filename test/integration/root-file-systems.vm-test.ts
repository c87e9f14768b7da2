/**
 * What each kind of root file system can do, by one list of checks (`support/native/files.c`) that runs in a container
 * on it, and what the host sees of it. The expected results are the table in docs/root-file-systems.md.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFile, lstat, mkdir, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Bundle, writeConfig } from "../support/bundle.ts";
import { type Finished, describe as show, succeed } from "../support/command.ts";
import { LoopDevice, makeDiskImage } from "../support/disk-image.ts";
import { expectNothingNew, lookAtMachine, type Machine } from "../support/left-overs.ts";
import { nativeHelper } from "../support/native.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";
import { checkNames, kinds } from "./root-file-systems.ts";

/**
 * The number of files that the check `many files` creates. For a hundred thousand each kind takes minutes, and 9p half
 * an hour.
 */
const files = Number(process.env.KUMITE_TEST_FILES ?? 500);
if (files < 100_000) process.stdout.write(`root file systems: ${files} files each; 100000 by \`npm run many-files\`\n`);
/** No kind takes longer per file, even on a busy host without KVM. */
const msForEach = 60;

describe("a root file system", onlyKumite, () => {
  let place: Workplace;
  let start: Machine;
  let config: string;

  before(async () => {
    place = await Workplace.open("rootfs");
    start = lookAtMachine({ directories: [place.root] });
    config = path.join(place.directory, "cache");
  });
  after(async () => {
    await place[Symbol.asyncDispose]();
    await expectNothingNew(start, { directories: [place.root] });
  });

  /** A bundle whose root contains the program of the checks, and the files that exist in advance. */
  async function prepared(annotations: Record<string, string> = {}): Promise<Bundle> {
    const bundle = await place.bundle((spec) => {
      spec.process.args = ["/files", "/check"];
      spec.process.noNewPrivileges = false;
      for (const set of ["bounding", "effective", "permitted"] as const) {
        spec.process.capabilities?.[set].push(...needed);
      }
      spec.annotations = annotations;
    });
    const lower = path.join(bundle.rootfs, "check/lower");
    await mkdir(path.join(lower, "deep"), { recursive: true });
    await writeFile(path.join(lower, "kept"), "kept\n");
    await writeFile(path.join(lower, "linked"), "linked\n");
    await succeed(["ln", path.join(lower, "linked"), path.join(lower, "other")]);
    await writeFile(path.join(lower, "deep/leaf"), "");
    await copyFile(await nativeHelper("files"), path.join(bundle.rootfs, "files"));
    return bundle;
  }

  async function run(bundle: Bundle, toml: string, argv?: readonly string[]): Promise<Finished> {
    if (argv !== undefined) await patch(bundle, (spec) => (spec.process.args = [...argv]));
    const file = place.path("configuration.toml");
    await writeFile(file, `[runtime]\n${directories()}${toml}`);
    const timeoutMs = 300_000 + files * msForEach;
    const words = [
      "--config",
      file,
      "--set",
      "factory.enable_template=false",
      "run",
      "--bundle",
      bundle.directory,
      place.newId(),
    ];
    const finished = await place.runtime(words, { timeoutMs });
    assert.equal(finished.status, 0, show(finished));
    return finished;
  }

  /** These tests use directories that no other container uses. */
  function directories(): string {
    return `rootfs_image_directory = "${config}/images"\nrootfs_upper_directory = "${config}/uppers"\n`;
  }

  for (const kind of kinds) {
    it(`of kind ${kind.name} does what its row says`, async () => {
      const bundle = await prepared(kind.annotations);
      const disk = kind.disk === true ? `${bundle.directory}/root.ext4` : undefined;
      if (disk !== undefined) {
        // mkfs makes an inode for every 16 KiB.
        await makeDiskImage(disk, "ext4", bundle.rootfs, 512 + Math.ceil(files / 50));
        await rm(bundle.rootfs, { recursive: true });
        await patch(bundle, (spec) => (spec.root.path = "root.ext4"));
      }
      const before = disk === undefined ? await digest(bundle.rootfs) : "";
      const { stdout, stderr } = await run(bundle, kind.toml, ["/files", "/check", `${files}`]);
      const answers = new Map(
        stdout
          .trim()
          .split("\n")
          .map((line) => line.split(/: (.*)/) as [string, string]),
      );
      const exceptions = new Map(Object.entries(kind.exceptions));
      const different = [...answers].filter(([name, answer]) => answer !== (exceptions.get(name) ?? "yes"));
      assert.deepEqual(different, [], stderr);
      assert.deepEqual([...answers.keys()], checkNames);
      if (disk !== undefined) await checkDisk(disk);
      else if (kind.hostSees)
        assert.equal(await readFile(path.join(bundle.rootfs, "check/moved/file"), "utf8"), "in it");
      // Not even a mount point was added.
      else assert.equal(await digest(bundle.rootfs), before);
    });
  }

  it("of a hundred thousand files becomes an image in seconds, with all of them", async () => {
    const bundle = await prepared({ "io.kumite.rootfs": "image" });
    const many = path.join(bundle.rootfs, "many");
    await mkdir(many);
    await succeed(["sh", "-c", `cd ${many} && seq 100000 | xargs touch`]);
    const { stdout } = await run(bundle, "", ["sh", "-c", "ls /many | wc -l"]);
    assert.equal(stdout, "100000\n");
    assert.equal((await readdir(many)).length, 100_000);
  });

  it("by virtio-fs can use more files than its daemon may have open", async () => {
    const [count, limit] = [5000, 3000];
    const bundle = await prepared();
    const many = path.join(bundle.rootfs, "many");
    await mkdir(many);
    await succeed(["sh", "-c", `cd ${many} && for i in $(seq ${count}); do echo >$i; done`]);
    const toml = `[hypervisor.qemu]\nvirtio_fs_extra_args = ["--rlimit-nofile=${limit}"]\n`;
    const script = "ls -l /many | grep -c ^-; ls -l /many | grep -c ^-";
    const { stdout, stderr } = await run(bundle, toml, ["sh", "-c", script]);
    assert.equal(stdout, `${count}\n${count}\n`, stderr);
  });

  it("is refused as a directory if nothing may be shared; then it can be an image", async () => {
    const toml = '[hypervisor.qemu]\nshared_fs = "none"\n';
    const bundle = await prepared();
    await patch(
      bundle,
      (spec) => (spec.process.args = ["sh", "-c", "cat /check/lower/kept; grep -c -e virtiofs -e 9p /proc/mounts"]),
    );
    const file = place.path("configuration.toml");
    await writeFile(file, toml);
    const refused = await place.runtime(["--config", file, "run", "--bundle", bundle.directory, place.newId()]);
    assert.match(refused.stderr, /uses files of the host, but shared_fs is "none"/, show(refused));
    await patch(bundle, (spec) => (spec.annotations = { "io.kumite.rootfs": "image" }));
    await writeFile(file, `[runtime]\n${directories()}${toml}`);
    const finished = await place.runtime(["--config", file, "run", "--bundle", bundle.directory, place.newId()]);
    assert.equal(finished.stdout, "kept\n0\n", show(finished));
  });

  it("by 9p comes with volumes by 9p", async () => {
    const bundle = await prepared();
    const [writable, readable] = [place.path("rw"), place.path("ro")];
    for (const directory of [writable, readable]) await mkdir(directory);
    await patch(bundle, (spec) => {
      spec.mounts.push(
        { destination: "/rw", type: "bind", source: writable, options: ["rbind"] },
        { destination: "/ro", type: "bind", source: readable, options: ["rbind", "ro"] },
      );
    });
    const script = "echo in >/rw/file; echo in >/ro/file; grep -c ' 9p ' /proc/mounts";
    const { stdout, stderr } = await run(bundle, '[hypervisor.qemu]\nshared_fs = "virtio-9p"\n', ["sh", "-c", script]);
    assert.equal(stdout, "3\n");
    assert.match(stderr, /Read-only file system/);
    assert.equal(await readFile(path.join(writable, "file"), "utf8"), "in\n");
    assert.deepEqual(await readdir(readable), []);
  });

  /** The file system was unmounted cleanly, and contains what the container wrote. */
  async function checkDisk(file: string): Promise<void> {
    await succeed(["e2fsck", "-f", "-n", file]);
    await using loop = await LoopDevice.attach(file);
    const target = place.path("mounted");
    await mkdir(target);
    await loop.mount(target, "-o", "ro");
    try {
      assert.equal(await readFile(path.join(target, "check/moved/file"), "utf8"), "in it");
    } finally {
      await succeed(["umount", target]);
    }
  }

  async function patch(bundle: Bundle, change: Parameters<Workplace["bundle"]>[0]): Promise<void> {
    const spec = JSON.parse(await readFile(bundle.configFile, "utf8"));
    change?.(spec);
    await writeConfig(bundle, spec);
  }
});

const needed = ["CAP_CHOWN", "CAP_FOWNER", "CAP_FSETID", "CAP_MKNOD", "CAP_SETFCAP", "CAP_DAC_OVERRIDE"];

/** Covers names, kinds, modes, owners, times, links and content. */
async function digest(directory: string): Promise<string> {
  const hash = createHash("sha256");
  const pending = [directory];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const status = await lstat(next);
    const { mode, uid, gid, nlink, mtimeMs } = status;
    hash.update(JSON.stringify([path.relative(directory, next), mode, uid, gid, nlink, mtimeMs]));
    if (status.isDirectory()) pending.push(...(await readdir(next)).sort().map((name) => path.join(next ?? "", name)));
    else if (status.isSymbolicLink()) hash.update(await readlink(next));
    else if (status.isFile()) hash.update(await readFile(next));
  }
  return hash.digest("hex");
}
