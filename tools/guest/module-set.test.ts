import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { kernelModule } from "./elf-fixture.ts";
import { builtInModules, indexOf, selectModules } from "./module-set.ts";

const release = "6.1.0-test";

describe("the modules of an image", () => {
  let top = "";
  let kernel = "";
  const none: ReadonlySet<string> = new Set();

  const put = async (path: string, name: string, facts: readonly string[] = []): Promise<void> => {
    const file = join(kernel, path);
    mkdirSync(dirname(file), { recursive: true });
    const content = await kernelModule([`name=${name}`, `vermagic=${release} SMP`, ...facts]);
    writeFileSync(file, path.endsWith(".gz") ? gzipSync(content) : content);
  };

  before(async () => {
    top = mkdtempSync(join(tmpdir(), "kumite-modules-"));
    kernel = join(top, "kernel");
    await put("drivers/ring.ko", "ring");
    await put("drivers/pci-modern.ko", "pci_modern");
    await put("drivers/bus.ko", "bus", ["depends=ring,pci-modern"]);
    await put("fs/fs.ko.gz", "fs", ["depends=bus", "softdep=pre: crypto-crc32c post: other"]);
    await put("crypto/crc32c_generic.ko", "crc32c_generic");
    await put("loop/a.ko", "a", ["depends=b"]);
    await put("loop/b.ko", "b", ["depends=a"]);
    await put("broken/needy.ko", "needy", ["depends=absent"]);
    writeFileSync(join(kernel, "broken/garbage.ko"), "not a module");
    writeFileSync(join(top, "modules.builtin"), "kernel/drivers/ring.ko\nkernel/fs/ext-two.ko\n");
  });
  after(() => rmSync(top, { recursive: true, force: true }));

  it("include what they need, in an order that can be loaded", async () => {
    const modules = await selectModules(kernel, ["fs"], none);
    assert.deepEqual(
      modules.map(({ info }) => info.name),
      ["crc32c_generic", "ring", "pci_modern", "bus", "fs"],
    );
  });

  it("are listed for the agent with everything that they need, the early ones in order", async () => {
    const modules = await selectModules(kernel, ["fs", "bus"], none);
    const index = indexOf(modules, ["bus"], release);
    assert.deepEqual(index.early, ["ring", "pci_modern", "bus"]);
    assert.deepEqual(index.modules.fs, {
      file: "/lib/modules/fs.ko",
      needs: ["crc32c_generic", "ring", "pci_modern", "bus"],
    });
    assert.deepEqual(index.modules.ring?.needs, []);
  });

  it("do not include what is built into the kernel", async () => {
    const builtIn = await builtInModules(kernel);
    assert.deepEqual([...builtIn], ["ring", "ext_two"]);
    const modules = await selectModules(kernel, ["bus", "ext_two"], builtIn);
    assert.deepEqual(
      modules.map(({ info }) => info.name),
      ["pci_modern", "bus"],
    );
    assert.deepEqual(indexOf(modules, ["ring", "bus"], release).early, ["pci_modern", "bus"]);
  });

  it("are refused with the name of a module that is missing, circular or invalid", async () => {
    await assert.rejects(selectModules(kernel, ["nowhere"], none), /the kernel package has no module nowhere$/);
    await assert.rejects(selectModules(kernel, ["needy"], none), /has no module absent, which needy needs/);
    await assert.rejects(selectModules(kernel, ["a"], none), /need each other: a → b → a/);
    await assert.rejects(selectModules(kernel, ["garbage"], none), /garbage\.ko is not a 64-bit/);
  });
});
