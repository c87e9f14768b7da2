/** Checks of `Mounts`. */
import type { Os } from "../os.ts";
import type { ContractCheck } from "../os-contract.ts";
import { type Scratch, scratch } from "./scratch.ts";

/** A scratch directory that is a private mount of its own, so mounts made in it are not visible elsewhere. */
async function mountedScratch(os: Os): Promise<Scratch> {
  const dir = await scratch(os);
  await os.mounts.mount({
    source: "contract",
    target: dir.path,
    type: "tmpfs",
    flags: ["nosuid", "private"],
    data: "size=1m",
  });
  return {
    path: dir.path,
    async [Symbol.asyncDispose]() {
      const below = (await os.mounts.table()).filter(({ target }) => target.startsWith(`${dir.path}/`)).reverse();
      for (const { target } of below) await os.mounts.unmount(target, { lazy: true });
      await os.mounts.unmount(dir.path, { lazy: true });
      await dir[Symbol.asyncDispose]();
    },
  };
}

async function entryOf(os: Os, target: string) {
  return (await os.mounts.table()).filter((entry) => entry.target === target).at(-1);
}

export const mountsContract: readonly ContractCheck[] = [
  {
    name: "a file system is mounted, listed and unmounted",
    async run(os, assert) {
      await using dir = await scratch(os);
      const target = `${dir.path}/with space`;
      await os.files.makeDir(target, 0o700);
      await os.mounts.mount({
        source: "some name",
        target,
        type: "tmpfs",
        flags: ["nosuid", "nodev"],
        data: "size=1m,mode=711",
      });
      const entry = await entryOf(os, target);
      assert.deepEqual([entry?.type, entry?.source], ["tmpfs", "some name"]);
      assert.ok(entry?.options.includes("nosuid") && entry.options.includes("nodev"), entry?.options.join());
      assert.equal((await os.files.status(target))?.mode, 0o711);
      await os.mounts.unmount(target);
      assert.equal(await entryOf(os, target), undefined);
    },
  },
  {
    name: "unmounting what is not mounted is no error",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.mounts.unmount(dir.path);
      await os.mounts.unmount(`${dir.path}/none`, { lazy: true });
      assert.equal(await entryOf(os, dir.path), undefined);
    },
  },
  {
    name: "unmounting does not follow a link",
    async run(os, assert) {
      await using dir = await mountedScratch(os);
      await os.files.symlink(".", `${dir.path}/link`);
      await os.mounts.unmount(`${dir.path}/link`);
      assert.ok((await entryOf(os, dir.path)) !== undefined);
    },
  },
  {
    name: "a read-only bind refuses writes, its source accepts them",
    async run(os, assert) {
      await using dir = await mountedScratch(os);
      await os.files.makeDir(`${dir.path}/from`, 0o700);
      await os.files.makeDir(`${dir.path}/to`, 0o700);
      await os.mounts.mount({ source: `${dir.path}/from`, target: `${dir.path}/to`, flags: ["bind", "ro", "noexec"] });
      await os.files.write(`${dir.path}/from/file`, "seen");
      assert.equal(await os.files.readText(`${dir.path}/to/file`), "seen");
      await assert.rejects(os.files.write(`${dir.path}/to/file`, "x"), { errno: "EROFS" });
      const options = (await entryOf(os, `${dir.path}/to`))?.options ?? [];
      assert.ok(options.includes("noexec"), options.join());
      await os.mounts.mount({ target: `${dir.path}/to`, flags: ["remount", "bind", "rw"] });
      await os.files.write(`${dir.path}/to/file`, "written");
    },
  },
  {
    name: "a recursive bind includes mounts below, and a read-only one makes all of them read-only",
    async run(os, assert) {
      await using dir = await mountedScratch(os);
      await os.files.makeDirs(`${dir.path}/from/sub`, 0o700);
      await os.files.makeDir(`${dir.path}/to`, 0o700);
      await os.mounts.mount({ source: "sub", target: `${dir.path}/from/sub`, type: "tmpfs", flags: [] });
      await os.files.write(`${dir.path}/from/sub/file`, "below");
      await os.mounts.mount({ source: `${dir.path}/from`, target: `${dir.path}/to`, flags: ["bind", "rec", "ro"] });
      assert.equal(await os.files.readText(`${dir.path}/to/sub/file`), "below");
      await assert.rejects(os.files.write(`${dir.path}/to/sub/file`, "x"), { errno: "EROFS" });
    },
  },
  {
    name: "a file can be bound over a file",
    async run(os, assert) {
      await using dir = await mountedScratch(os);
      await os.files.write(`${dir.path}/a`, "a");
      await os.files.write(`${dir.path}/b`, "b");
      await os.mounts.mount({ source: `${dir.path}/a`, target: `${dir.path}/b`, flags: ["bind"] });
      assert.equal(await os.files.readText(`${dir.path}/b`), "a");
    },
  },
  {
    name: "propagation is changed without mounting",
    async run(os, assert) {
      await using dir = await mountedScratch(os);
      await os.mounts.mount({ target: dir.path, flags: ["shared"] });
      const fields = (await entryOf(os, dir.path))?.optionalFields ?? [];
      assert.ok(
        fields.some((field) => field.startsWith("shared:")),
        fields.join(),
      );
      await os.mounts.mount({ target: dir.path, flags: ["private"] });
      assert.deepEqual((await entryOf(os, dir.path))?.optionalFields, []);
    },
  },
  {
    name: "a link never leads a mount below a directory out of that directory",
    async run(os, assert) {
      await using dir = await mountedScratch(os);
      await os.files.makeDirs(`${dir.path}/tree/etc`, 0o700);
      await os.files.makeDir(`${dir.path}/etc`, 0o700);
      await os.files.makeDir(`${dir.path}/from`, 0o700);
      await os.files.symlink(`${dir.path}/etc`, `${dir.path}/tree/absolute`);
      await os.files.symlink("../../../../etc", `${dir.path}/tree/relative`);
      await os.files.symlink("/proc/self/root/etc", `${dir.path}/tree/magic`);
      const beneath = `${dir.path}/tree`;
      const bind = { source: `${dir.path}/from`, flags: ["bind"], beneath };
      await os.mounts.mount({ ...bind, target: "relative" });
      assert.ok((await entryOf(os, `${dir.path}/tree/etc`)) !== undefined, "the root of the lookup is the directory");
      await assert.rejects(os.mounts.mount({ ...bind, target: "/absolute" }), { errno: "ENOENT" });
      await assert.rejects(os.mounts.mount({ ...bind, target: "magic" }), { errno: "ENOENT" });
      await os.mounts.mount({
        source: "t",
        type: "tmpfs",
        flags: ["nosuid", "private"],
        target: "/../../etc",
        beneath,
      });
      const mounted = (await os.mounts.table()).filter(({ target }) => target.startsWith(`${dir.path}/`));
      assert.deepEqual(
        mounted.map(({ target, type }) => [target, type]),
        [
          [`${dir.path}/tree/etc`, "tmpfs"],
          [`${dir.path}/tree/etc`, "tmpfs"],
        ],
      );
      await assert.rejects(os.mounts.mount({ target: "etc", flags: ["bind"], beneath }), { errno: "EINVAL" });
    },
  },
  {
    name: "an invalid flag, a missing source and a missing target are refused",
    async run(os, assert) {
      await using dir = await scratch(os);
      await assert.rejects(os.mounts.mount({ target: dir.path, type: "tmpfs", flags: ["nosuid", "nonsense"] }), {
        errno: "EINVAL",
      });
      await assert.rejects(os.mounts.mount({ target: dir.path, flags: ["bind"] }), { errno: "EINVAL" });
      await assert.rejects(os.mounts.mount({ target: dir.path, source: `${dir.path}/none`, flags: ["bind"] }), {
        errno: "ENOENT",
      });
      await assert.rejects(os.mounts.mount({ target: `${dir.path}/none`, type: "tmpfs", flags: [] }), {
        errno: "ENOENT",
      });
      assert.equal(await entryOf(os, dir.path), undefined);
    },
  },
  {
    name: "a tree with a mount in it is not removed, not even in part",
    async run(os, assert) {
      await using dir = await mountedScratch(os);
      await os.files.makeDirs(`${dir.path}/tree/mounted`, 0o700);
      await os.files.write(`${dir.path}/tree/file`, "kept");
      await os.mounts.mount({ source: "t", target: `${dir.path}/tree/mounted`, type: "tmpfs", flags: [] });
      await os.files.write(`${dir.path}/tree/mounted/file`, "kept");
      await assert.rejects(os.files.removeTree(`${dir.path}/tree`), { errno: "EBUSY" });
      await assert.rejects(os.files.removeTree(`${dir.path}/tree/mounted`), { errno: "EBUSY" });
      assert.equal(await os.files.readText(`${dir.path}/tree/file`), "kept");
      assert.equal(await os.files.readText(`${dir.path}/tree/mounted/file`), "kept");
      await os.mounts.unmount(`${dir.path}/tree/mounted`);
      await os.files.removeTree(`${dir.path}/tree`);
    },
  },
];
