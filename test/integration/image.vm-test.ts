/** Machines whose root file system is an image: as a memory device that the guest maps, and as a disk. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { builtTunedKernel } from "../../tools/guest/tuned-kernel.ts";
import { shell } from "../support/bundle.ts";
import { describe as show } from "../support/command.ts";
import { makeGuestImage } from "../support/guest-image.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testInstallRoot } from "../support/node-os.ts";
import { isKumite, Workplace } from "../support/workplace.ts";

/** As guests of Kata Containers have it: all of its drivers are built in. */
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

  async function look(keys: string): Promise<string> {
    const file = place.path("configuration.toml");
    await writeFile(file, `[hypervisor.qemu]\nkernel = "${kernel}"\nimage = "${image}"\n${keys}\n`);
    const bundle = await place.bundle(shell("cat /proc/cmdline; cat /sys/block/*/queue/dax /sys/block/*/ro"));
    const finished = await place.runtime(["--config", file, "run", "--bundle", bundle.directory, place.newId()]);
    assert.equal(finished.status, 0, show(finished));
    return finished.stdout;
  }

  it("maps the host's pages of it, which it cannot write to", async () => {
    const seen = await look("");
    // A kernel that cannot do what `dax` says does not mount its root file system.
    assert.match(seen, / root=\/dev\/pmem0p1 rootflags=dax,.* ro rootfstype=ext4 /);
    assert.match(seen, /\n1\n1\n$/);
  });

  for (const machineType of ["q35", "microvm"]) {
    it(`has it as a disk, on ${machineType}`, async () => {
      const seen = await look(`machine_type = "${machineType}"\ndisable_image_nvdimm = true`);
      assert.match(seen, / root=\/dev\/vda1 rootflags=data=ordered,/);
      assert.match(seen, /\n0\n1\n$/);
    });
  }
});
