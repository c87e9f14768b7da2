/**
 * Disks of the host as a container's volumes, devices and root file system. Loop devices represent all block devices.
 */
import assert from "node:assert/strict";
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type OciConfig, shell } from "../support/bundle.ts";
import { describe as show, succeed } from "../support/command.ts";
import { LoopDevice, makeDiskImage } from "../support/disk-image.ts";
import { expectNothingNew, lookAtMachine, type Machine } from "../support/left-overs.ts";
import { nativeHelper } from "../support/native.ts";
import { inSandbox } from "../support/pod.ts";
import { sandboxProcesses } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const diskKeys = `
block_device_cache_set = true
block_device_cache_direct = true
block_device_aio = "native"
block_device_logical_sector_size = 4096
block_device_physical_sector_size = 4096
enable_iothreads = true
`;

describe("a block device", onlyKumite, () => {
  let place: Workplace;
  let start: Machine;

  before(async () => {
    place = await Workplace.open("block");
    start = lookAtMachine({ directories: [place.root] });
  });
  after(async () => {
    await place[Symbol.asyncDispose]();
    await expectNothingNew(start, { directories: [place.root] });
  });

  async function loop(text: string): Promise<LoopDevice> {
    const file = place.path("disk");
    await writeFile(file, text.padEnd(1024 * 1024, "."));
    return LoopDevice.attach(file);
  }

  async function textOn({ path: device }: LoopDevice, length: number): Promise<string> {
    const file = await open(device, "r");
    try {
      return (await file.read(Buffer.alloc(length), 0, length, 0)).buffer.toString();
    } finally {
      await file.close();
    }
  }

  it("appears where it is mounted or listed, with its number in the VM, configured as the configuration says", async () => {
    await using writable = await loop("writable");
    await using readable = await loop("readable");
    await using listed = await loop("listed__");
    const script = `
      for disk in /mnt/rw /ro /dev/listed; do head -c 8 $disk; echo; done
      printf changed_ | dd of=/mnt/rw conv=notrunc 2>/dev/null && echo wrote rw
      printf changed_ | dd of=/ro conv=notrunc 2>/dev/null || echo refused ro
      printf changed_ | dd of=/dev/listed conv=notrunc 2>/dev/null && echo wrote listed
      cat /sys/block/vd?/queue/logical_block_size; stat -c '%t %a %u' /dev/listed; ls /dev/loop* 2>&1 | head -1`;
    const bundle = await place.bundle(shell(script), (config: OciConfig) => {
      config.mounts.push(
        { destination: "/mnt/rw", type: "bind", source: writable.path, options: ["bind"] },
        { destination: "/ro", type: "bind", source: readable.path, options: ["bind", "ro"] },
      );
    });
    const minor = Number(((await stat(listed.path)).rdev ?? 0) & 0xff);
    const config = JSON.parse(await readFile(bundle.configFile, "utf8")) as OciConfig;
    config.linux.devices = [{ path: "/dev/listed", type: "b", major: 7, minor, fileMode: 0o660, uid: 1000, gid: 0 }];
    const rules = (config.linux.resources?.devices ?? []) as object[];
    config.linux.resources = {
      ...config.linux.resources,
      devices: [...rules, { allow: true, type: "b", major: 7, minor, access: "rw" }],
    };
    await writeFile(bundle.configFile, JSON.stringify(config));
    const toml = place.path("configuration.toml");
    await writeFile(toml, `[hypervisor.qemu]\n${diskKeys}`);
    const words = ["--config", toml, "run", "--bundle", bundle.directory, place.newId()];
    const finished = await place.runtime(words);
    const lines = finished.stdout.trim().split("\n");
    assert.deepEqual(
      lines.slice(0, 6),
      ["writable", "readable", "listed__", "wrote rw", "refused ro", "wrote listed"],
      show(finished),
    );
    assert.deepEqual(lines.slice(6, 9), ["4096", "4096", "4096"]);
    assert.match(lines[9] ?? "", /^fe 660 1000$/);
    assert.match(lines[10] ?? "", /No such file/);
    assert.equal(await textOn(writable, 8), "changed_");
    assert.equal(await textOn(readable, 8), "readable");
    assert.equal(await textOn(listed, 8), "changed_");
  });

  it("that only a rule for all devices allows is not attached to the VM", async () => {
    await using disk = await loop("secret");
    const minor = Number(((await stat(disk.path)).rdev ?? 0) & 0xff);
    const bundle = await place.bundle(shell("head -c 6 /dev/disk; ls /sys/block | grep -v ^loop"), (config) => {
      config.linux.devices = [{ path: "/dev/disk", type: "b", major: 7, minor }];
      config.linux.resources = { devices: [{ allow: true, access: "rwm" }] };
    });
    const finished = await place.run(bundle);
    assert.equal(finished.stdout, "", show(finished));
  });

  it("is served by threads on a host that forbids io_uring, and a line in the log says so", async () => {
    await using disk = await loop("unread");
    const wrapper = place.path("qemu");
    const call = [await nativeHelper("refuse"), "425", "/usr/bin/qemu-system-x86_64"].join(" ");
    await writeFile(wrapper, `#!/bin/sh\nexec ${call} "$@"\n`, { mode: 0o755 });
    const toml = place.path("configuration.toml");
    await writeFile(toml, `[hypervisor.qemu]\npath = "${wrapper}"\nblock_device_aio = "io_uring"\n`);
    const bundle = await place.bundle(shell("while :; do sleep 1000; done"), (config) => {
      config.mounts.push({ destination: "/mnt", type: "bind", source: disk.path, options: ["bind"] });
    });
    const id = place.newId();
    const argv = place.argv("--config", toml, "run", "--detach", "--bundle", bundle.directory, id);
    await succeed(["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', place.path("err"), ...argv]);
    try {
      assert.equal((await place.must(["exec", id, "head", "-c", "6", "/mnt"])).stdout, "unread");
      const log = await readFile(path.join(place.root, id, "shim.log"), "utf8");
      assert.match(log, /this host forbids io_uring: threads serve the disks instead.*Unable to use io_uring/);
    } finally {
      await place.remove(id);
    }
  });

  /** A container that is added has to have all of its files on disks. */
  async function refusesFiles(sandbox: string): Promise<void> {
    const directory = await place.bundle(inSandbox(sandbox), shell("true"));
    const refused = await place.runtime(["create", "--bundle", directory.directory, place.newId()]);
    assert.match(
      refused.stderr,
      /cannot be added: it uses files of the host, but sandbox .* shares none/,
      show(refused),
    );
  }

  it("provided by a storage driver is mounted in the guest, and nowhere else", async () => {
    const [file, tree, source] = [place.path("volume.ext4"), place.path("tree"), place.path("volume")];
    for (const directory of [tree, source]) await mkdir(directory);
    await writeFile(path.join(tree, "here"), "kept\n");
    await makeDiskImage(file, "ext4", tree);
    await using device = await LoopDevice.attach(file);
    const handed = path.join("/run/kata-containers/shared/direct-volumes", Buffer.from(source).toString("base64url"));
    const padded = `${handed}${"=".repeat((4 - (path.basename(handed).length % 4)) % 4)}`;
    const hand = (info: object): Promise<void> => writeFile(path.join(padded, "mountInfo.json"), JSON.stringify(info));
    const made = await mkdir(padded, { recursive: true });
    try {
      const bundle = await place.bundle(
        shell("cat /data/here; echo more >>/data/here; grep -c ' /data ext4 ' /proc/mounts"),
        (config) => {
          config.mounts.push({ destination: "/data", type: "bind", source, options: ["rbind"] });
        },
      );
      await hand({ "volume-type": "block", device: device.path, fstype: "ntfs", options: [] });
      const refused = await place.run(bundle);
      assert.match(refused.stderr, /mountInfo\.json names the file system "ntfs"; the guest supports/, show(refused));
      await hand({ "volume-type": "block", device: device.path, fstype: "ext4", options: ["noatime"], metadata: {} });
      const finished = await place.run(bundle);
      assert.equal(finished.stdout, "kept\n1\n", show(finished));
      assert.deepEqual(await readdir(source), []);
    } finally {
      await rm(made ?? padded, { recursive: true });
    }
    const target = place.path("mounted");
    await mkdir(target);
    await device.mount(target, "-o", "ro");
    assert.equal(await readFile(path.join(target, "here"), "utf8"), "kept\nmore\n");
    await succeed(["umount", target]);
  });

  it("may be the root file system, mounted on the host or not, of one VM at a time", async () => {
    const file = place.path("root.ext4");
    const bundle = await place.bundle(shell("cat /here; echo more >>/here; sleep 1000"));
    await writeFile(path.join(bundle.rootfs, "here"), "one\n");
    await makeDiskImage(file, "ext4", bundle.rootfs);
    await rm(bundle.rootfs, { recursive: true });
    await using loopDevice = await LoopDevice.attach(file);
    const onDevice = async (root: string): Promise<void> => {
      const config = JSON.parse(await readFile(bundle.configFile, "utf8")) as OciConfig;
      config.root.path = root;
      await writeFile(bundle.configFile, JSON.stringify(config));
    };
    await onDevice(loopDevice.path);
    const first = await place.runDetached(bundle);
    // The VM shares nothing of the host, so it needs no daemon.
    assert.ok(!sandboxProcesses(first).has("virtiofsd"));
    await refusesFiles(first);
    const second = await place.run(bundle);
    assert.notEqual(second.status, 0);
    assert.match(second.stderr, /lock/, show(second));
    await place.must(["exec", first, "sh", "-c", "until grep -q more /here; do sleep 0.1; done; sync"]);
    await place.remove(first);

    const mounted = place.path("mounted");
    await mkdir(mounted);
    await loopDevice.mount(mounted);
    try {
      const toml = place.path("configuration.toml");
      await writeFile(toml, '[runtime]\nrootfs_block_devices = "any"\n');
      await onDevice(mounted);
      const script = ["sh", "-c", "cat /here; echo last >>/here"];
      const config = JSON.parse(await readFile(bundle.configFile, "utf8")) as OciConfig;
      await writeFile(bundle.configFile, JSON.stringify({ ...config, process: { ...config.process, args: script } }));
      const id = place.newId();
      const third = await place.must(["--config", toml, "run", "--bundle", bundle.directory, id]);
      assert.equal(third.stdout, "one\nmore\n");
      await assert.rejects(writeFile(path.join(mounted, "here"), ""), /EROFS/);
    } finally {
      await succeed(["umount", mounted]);
    }
    await loopDevice.mount(mounted, "-o", "ro");
    assert.equal(await readFile(path.join(mounted, "here"), "utf8"), "one\nmore\nlast\n");
    await succeed(["umount", mounted]);
    await succeed(["e2fsck", "-f", "-n", loopDevice.path]);
  });
});
