/** Disks of a container that is added to a running VM: they are plugged in for it, and removed with it. */
import assert from "node:assert/strict";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { type Bundle, type Patch, shell } from "../support/bundle.ts";
import { describe as show, succeed } from "../support/command.ts";
import { LoopDevice, makeDiskImage } from "../support/disk-image.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { asSandbox, inSandbox } from "../support/pod.ts";
import { processOf } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const forever = shell("while :; do sleep 1; done");

describe("a container that is added to a VM", onlyKumite, () => {
  let place: Workplace;
  let pod: string;
  const members: string[] = [];

  before(async () => {
    place = await Workplace.open("pod-disks");
    pod = await place.runDetached(await place.bundle(asSandbox(), forever));
  });
  after(async () => {
    await place.remove(pod);
    await place[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    for (const id of members.splice(0)) await place.remove(id);
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  function newMember(): string {
    const id = place.newId();
    members.push(id);
    return id;
  }

  /** The VM's disks, according to its guest and its monitor. */
  async function machineNow(): Promise<object> {
    const script =
      "ls /sys/block; ls /sys/bus/pci/devices | wc -l; ls /sys/bus/virtio/devices; grep -c /dev/ /proc/self/mounts";
    const qemu = await processOf(pod, "qemu");
    const { stdout } = await succeed([
      "sh",
      "-c",
      `ls -l /proc/${qemu}/fd | sed 's/.* -> //' | grep -E '^/(dev/loop|tmp)' || true`,
    ]);
    return { guest: (await place.runtime(["exec", pod, "sh", "-c", script])).stdout, files: stdout };
  }

  async function deviceWith(text: string): Promise<LoopDevice> {
    const file = place.path("disk");
    await writeFile(file, text.padEnd(1024 * 1024, "."));
    return LoopDevice.attach(file);
  }

  /** Its root file system is an ext4 in a file. */
  async function bundleOnDisk(...patches: Patch[]): Promise<{ readonly bundle: Bundle; readonly image: string }> {
    const bundle = await place.bundle(inSandbox(pod), ...patches, (config) => {
      config.root.path = "root.ext4";
    });
    const image = path.join(bundle.directory, "root.ext4");
    await makeDiskImage(image, "ext4", bundle.rootfs);
    await rm(bundle.rootfs, { recursive: true });
    return { bundle, image };
  }

  it("has its root and its volumes on disks of its own, which are removed with it, again and again", async () => {
    await using volume = await deviceWith("volume__");
    const before = await machineNow();
    // More often than the VM has slots.
    for (let round = 0; round < 3; round++) {
      const { bundle, image } = await bundleOnDisk(forever, (config) => {
        config.mounts.push({ destination: "/mnt/volume", type: "bind", source: volume.path, options: ["bind"] });
      });
      const id = await place.runDetached(bundle, newMember());
      const script = `head -c 8 /mnt/volume; printf %08d ${round} | dd of=/mnt/volume conv=notrunc 2>/dev/null
        echo kept >/kept; grep -c '^/dev/vd. / ext4 ' /proc/mounts`;
      const inside = await place.must(["exec", id, "sh", "-c", script]);
      assert.equal(inside.stdout, `${round === 0 ? "volume__" : `0000000${round - 1}`}1\n`, show(inside));
      assert.notDeepEqual(await machineNow(), before);
      await place.must(["delete", "--force", id]);
      assert.deepEqual(await machineNow(), before);
      await succeed(["e2fsck", "-f", "-n", image]);
    }
    const file = await open(volume.path, "r");
    assert.equal((await file.read(Buffer.alloc(8), 0, 8, 0)).buffer.toString(), "00000002");
    await file.close();
  });

  it("that ends by itself returns its disks at once, before it is deleted", async () => {
    const before = await machineNow();
    const { bundle, image } = await bundleOnDisk(shell("echo written >/here"));
    const id = newMember();
    await place.must(["run", "--bundle", bundle.directory, id]);
    assert.deepEqual(await machineNow(), before);
    await using loop = await LoopDevice.attach(image);
    const target = place.path("mounted");
    await mkdir(target);
    await loop.mount(target, "-o", "ro");
    assert.equal(await readFile(path.join(target, "here"), "utf8"), "written\n");
    await succeed(["umount", target]);
  });

  it("keeps none when its create fails, and gets the reason when there is no slot left", async () => {
    const before = await machineNow();
    const { bundle } = await bundleOnDisk((config) => {
      config.process.args = ["/no/such/program"];
    });
    const missing = await place.runtime(["create", "--bundle", bundle.directory, newMember()]);
    assert.match(missing.stderr, /no such file|not found/, show(missing));
    assert.deepEqual(await machineNow(), before);

    const devices: LoopDevice[] = [];
    try {
      for (let index = 0; index < 5; index++) devices.push(await deviceWith(`disk${index}`));
      const many = await place.bundle(inSandbox(pod), forever, (config) => {
        for (const [index, { path: source }] of devices.entries()) {
          config.mounts.push({ destination: `/mnt/${index}`, type: "bind", source, options: ["bind"] });
        }
      });
      const refused = await place.runtime(["create", "--bundle", many.directory, newMember()]);
      assert.notEqual(refused.status, 0);
      assert.match(refused.stderr, /no more bridge slots available/, show(refused));
      assert.match(refused.stderr, /raise pcie_root_port/, show(refused));
      assert.deepEqual(await machineNow(), before);
    } finally {
      for (const device of devices) await device[Symbol.asyncDispose]();
    }
  });
});

describe("a VM with SCSI disks", onlyKumite, () => {
  let place: Workplace;
  let config: string;
  const running: string[] = [];

  before(async () => {
    place = await Workplace.open("scsi-disks");
    config = place.path("configuration.toml");
    const keys = [
      'block_device_driver = "virtio-scsi"',
      'block_device_aio = "io_uring"',
      "block_device_logical_sector_size = 512",
      "block_device_physical_sector_size = 4096",
      "enable_iothreads = true",
    ];
    await writeFile(config, `[hypervisor.qemu]\n${keys.join("\n")}\n`);
  });
  after(() => place[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const id of running.splice(0).reverse()) await place.remove(id);
  });
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  async function start(bundle: Bundle): Promise<string> {
    const id = place.newId();
    running.push(id);
    const argv = place.argv("--config", config, "run", "--detach", "--bundle", bundle.directory, id);
    await succeed(["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', place.path("err"), ...argv]);
    return id;
  }

  it("has them from the start and later, more than it has slots for others, and on xfs", async () => {
    const devices: LoopDevice[] = [];
    try {
      for (let index = 0; index < 7; index++) {
        const file = place.path("disk");
        await writeFile(file, `disk ${index}`.padEnd(1024 * 1024, "."));
        devices.push(await LoopDevice.attach(file));
      }
      const [first, ...others] = devices;
      const volume = (destination: string, source = ""): OciMount => {
        return { destination, type: "bind", source, options: ["bind"] };
      };
      const pod = await start(
        await place.bundle(asSandbox(), forever, (spec) => spec.mounts.push(volume("/mnt", first?.path))),
      );
      const cold = await place.must([
        "exec",
        pod,
        "sh",
        "-c",
        "head -c 6 /mnt; cat /sys/block/sda/queue/physical_block_size",
      ]);
      assert.equal(cold.stdout, "disk 04096\n");

      const bundle = await place.bundle(inSandbox(pod), forever, (spec) => {
        spec.root.path = "root.xfs";
        for (const [index, { path: source }] of others.entries()) spec.mounts.push(volume(`/mnt/${index + 1}`, source));
      });
      await makeDiskImage(path.join(bundle.directory, "root.xfs"), "xfs", bundle.rootfs);
      await rm(bundle.rootfs, { recursive: true });
      const member = await start(bundle);
      const script = "for n in 1 2 3 4 5 6; do head -c 6 /mnt/$n; echo; done; grep -c '^/dev/sd. / xfs ' /proc/mounts";
      const seen = await place.must(["exec", member, "sh", "-c", `${script}; echo new >/new`]);
      assert.equal(seen.stdout, "disk 1\ndisk 2\ndisk 3\ndisk 4\ndisk 5\ndisk 6\n1\n", show(seen));
      await place.must(["delete", "--force", member]);
      running.pop();
      // QEMU has removed them; the guest notices a moment later.
      await eventually("the disks are gone", async () => {
        const left = await place.must(["exec", pod, "sh", "-c", "ls /sys/block"]);
        return left.stdout === "sda\n" ? true : undefined;
      });
      await succeed(["xfs_repair", "-n", path.join(bundle.directory, "root.xfs")]);
    } finally {
      for (const id of running.splice(0).reverse()) await place.remove(id);
      for (const device of devices) await device[Symbol.asyncDispose]();
    }
  });

  it("refuses what its SCSI disks cannot be, and says what they can be", async () => {
    const file = place.path("disk");
    await writeFile(file, Buffer.alloc(1024 * 1024));
    await using device = await LoopDevice.attach(file);
    const bundle = await place.bundle(shell("true"), (spec) => {
      spec.mounts.push({ destination: "/mnt", type: "bind", source: device.path, options: ["bind"] });
    });
    for (const [driver, reason] of [
      ["virtio-mmio", /block_device_driver is virtio-mmio, but q35 has no virtio-mmio/],
      ["nvdimm", /block_device_driver is nvdimm, but a container's disk cannot be a memory device/],
    ] as const) {
      const set = ["--set", `hypervisor.qemu.block_device_driver=${driver}`];
      const refused = await place.runtime([...set, "run", "--bundle", bundle.directory, place.newId()]);
      assert.notEqual(refused.status, 0, show(refused));
      assert.match(refused.stderr, reason);
    }
  });
});

type OciMount = { destination: string; type: string; source: string; options: string[] };
