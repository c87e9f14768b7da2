/** VMs whose root file system is an image: as a memory device that the guest maps, and as a disk. */
import assert from "node:assert/strict";
import { open, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { builtTunedKernel } from "../../tools/guest/tuned-kernel.ts";
import { shell } from "../support/bundle.ts";
import { type Finished, describe as show } from "../support/command.ts";
import { makeGuestImage, makeVerifiedGuestImage } from "../support/guest-image.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testInstallRoot } from "../support/node-os.ts";
import { isKumite, Workplace } from "../support/workplace.ts";

/** A kernel like those of Kata's guests, with all drivers built in. */
const kernel = isKumite ? (await builtTunedKernel())?.vmlinux : undefined;
const skip = !isKumite
  ? "about this product only"
  : kernel === undefined && "no kernel with drivers of its own is built: npm run guest:kernel";

describe("a guest with an image", { skip }, () => {
  let place: Workplace;
  let image: string;
  before(async () => {
    place = await Workplace.open("image");
    image = place.path("guest.img");
    await makeGuestImage(image, path.join(testInstallRoot, "agent"));
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  async function run(keys: string, of: string, script: string): Promise<Finished> {
    const file = place.path("configuration.toml");
    await writeFile(file, `[hypervisor.qemu]\nkernel = "${kernel}"\nimage = "${of}"\n${keys}\n`);
    const bundle = await place.bundle(shell(`cat /proc/cmdline; ${script}`));
    return place.runtime(["--config", file, "run", "--bundle", bundle.directory, place.newId()]);
  }

  async function look(
    keys: string,
    of = image,
    script = "cat /sys/block/*/queue/dax /sys/block/*/ro",
  ): Promise<string> {
    const finished = await run(keys, of, script);
    assert.equal(finished.status, 0, show(finished));
    return finished.stdout;
  }

  it("maps the image from the host's pages, which it cannot write to", async () => {
    const seen = await look("");
    // A kernel that does not support what `dax` asks for does not mount its root file system.
    assert.match(seen, / root=\/dev\/pmem0p1 rootflags=dax,.* ro rootfstype=ext4 /);
    assert.match(seen, /\n1\n1\n$/);
  });

  it("has its image verified by its kernel, in either form, and does not start with a modified one", async () => {
    const verified = place.path("verified.img");
    const parameters = await makeVerifiedGuestImage(verified, path.join(testInstallRoot, "agent"));
    const keys = `kernel_verity_params = "${parameters}"`;
    for (const [more, partition] of [
      ["", "pmem0p1"],
      ["disable_image_nvdimm = true", "vda1"],
    ]) {
      const seen = await look(`${keys}\n${more}`, verified, "cat /sys/block/dm-0/dm/name");
      assert.match(seen, new RegExp(` verity 1 /dev/${partition} `));
      assert.match(seen, /\nroot\n/);
    }
    const file = await open(verified, "r+");
    // The file system's name, in its superblock.
    await file.write("changed", 3 * 1024 * 1024 + 1024 + 120);
    await file.close();
    const finished = await run(keys, verified, "true");
    assert.equal(finished.status, 1, show(finished));
    assert.match(finished.stderr, /the guest did not start/);
    assert.match(finished.stderr, /verity|Unable to mount root fs|VFS/);
  });

  for (const machineType of ["q35", "microvm"]) {
    it(`has its image as a disk, on ${machineType}`, async () => {
      const seen = await look(`machine_type = "${machineType}"\ndisable_image_nvdimm = true`);
      assert.match(seen, / root=\/dev\/vda1 rootflags=data=ordered,/);
      assert.match(seen, /\n0\n1\n$/);
    });
  }
});
