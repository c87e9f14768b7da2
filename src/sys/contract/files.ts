/** Checks of `Files`. */
import { isSystemError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";
import type { Os } from "../os.ts";
import type { ContractAssert, ContractCheck } from "../os-contract.ts";
import { output, printing, scratch, shell, textOf } from "./scratch.ts";

export const filesContract: readonly ContractCheck[] = [
  {
    name: "a file is read back as it was written, with the requested mode",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/a`;
      await os.files.write(path, "grüße\n", { mode: 0o640 });
      assert.equal(await os.files.readText(path), "grüße\n");
      assert.deepEqual([...(await os.files.readBytes(path))], [...encodeUtf8("grüße\n")]);
      assert.equal((await os.files.status(path))?.mode, 0o640);
      await os.files.write(path, "x");
      assert.equal(await os.files.readText(path), "x");
      await os.files.write(path, new Uint8Array([0x79]), { append: true });
      assert.equal(await os.files.readText(path), "xy");
    },
  },
  {
    name: "an exclusive write refuses an existing file, and a dangling link",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.files.write(`${dir.path}/a`, "old");
      await assert.rejects(os.files.write(`${dir.path}/a`, "new", { exclusive: true }), { errno: "EEXIST" });
      assert.equal(await os.files.readText(`${dir.path}/a`), "old");
      await os.files.symlink("nowhere", `${dir.path}/link`);
      await assert.rejects(os.files.write(`${dir.path}/link`, "new", { exclusive: true }), { errno: "EEXIST" });
    },
  },
  {
    name: "a read stops at its limit",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.files.write(`${dir.path}/a`, new Uint8Array(100_000));
      assert.equal((await os.files.readBytes(`${dir.path}/a`, 100_000)).length, 100_000);
      await assert.rejects(os.files.readBytes(`${dir.path}/a`, 99_999), { errno: "EFBIG" });
      await assert.rejects(os.files.readBytes("/dev/zero"), { errno: "EFBIG" });
    },
  },
  {
    name: "the start of a file is read, or all of a short one",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.files.write(`${dir.path}/a`, new Uint8Array(100_000).fill(7));
      assert.equal((await os.files.readStart(`${dir.path}/a`, 70_000)).length, 70_000);
      assert.deepEqual([...(await os.files.readStart(`${dir.path}/a`, 2))], [7, 7]);
      assert.equal((await os.files.readStart(`${dir.path}/a`, 200_000)).length, 100_000);
      assert.equal((await os.files.readStart("/dev/zero", 5000)).length, 5000);
      await assert.rejects(os.files.readStart("/nowhere", 1), { errno: "ENOENT" });
    },
  },
  {
    name: "files that have no size are read to their end",
    async run(os, assert) {
      assert.ok((await os.files.readText("/proc/self/status")).includes(`Pid:\t${os.self.pid}\n`));
    },
  },
  {
    name: "an error names errno, call and path",
    async run(os, assert) {
      await assert.rejects(os.files.readText("/nowhere/at/all"), {
        name: "SystemError",
        errno: "ENOENT",
        subject: "/nowhere/at/all",
      });
      await assert.rejects(os.files.readText("/tmp"), { errno: "EISDIR" });
      await assert.rejects(os.files.makeDir("/proc/self/status/x", 0o700), { errno: "ENOTDIR" });
    },
  },
  {
    name: "a replaced file has the new content and mode, and no temporary file is left",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/a`;
      await os.files.write(path, "old", { mode: 0o644 });
      await os.files.replace(path, "new");
      assert.equal(await os.files.readText(path), "new");
      assert.equal((await os.files.status(path))?.mode, 0o600);
      await os.files.replace(path, "newer", 0o666);
      assert.equal((await os.files.status(path))?.mode, 0o666);
      await os.files.makeDir(`${dir.path}/d`, 0o700);
      await os.files.write(`${dir.path}/d/in`, "");
      await assert.rejects(os.files.replace(`${dir.path}/d`, "x"), { name: "SystemError" });
      assert.deepEqual((await os.files.list(dir.path)).sort(), ["a", "d"]);
    },
  },
  {
    name: "directories are created with their mode, and not again",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.files.makeDirs(`${dir.path}/a/b/c`, 0o711);
      assert.equal((await os.files.status(`${dir.path}/a`))?.mode, 0o711);
      await os.files.makeDirs(`${dir.path}/a/b/c`, 0o700);
      assert.equal((await os.files.status(`${dir.path}/a/b/c`))?.mode, 0o711);
      await assert.rejects(os.files.makeDir(`${dir.path}/a`, 0o700), { errno: "EEXIST" });
      await os.files.write(`${dir.path}/file`, "");
      await assert.rejects(os.files.makeDirs(`${dir.path}/file/x`, 0o700), { errno: "ENOTDIR" });
      await assert.rejects(os.files.removeDir(`${dir.path}/a`), { errno: "ENOTEMPTY" });
      await os.files.removeDir(`${dir.path}/a/b/c`);
      assert.deepEqual(await os.files.list(`${dir.path}/a/b`), []);
    },
  },
  {
    name: "the status distinguishes kinds of files, with and without following links",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.files.write(`${dir.path}/file`, "12345");
      await os.files.symlink("file", `${dir.path}/link`);
      await os.files.symlink("nowhere", `${dir.path}/broken`);
      await output(os, 'mkfifo "$1/fifo"', { args: [dir.path] });
      const kind = async (name: string) => (await os.files.linkStatus(`${dir.path}/${name}`))?.kind;
      assert.equal(await kind("file"), "file");
      assert.equal(await kind("link"), "symlink");
      assert.equal(await kind("fifo"), "fifo");
      assert.equal((await os.files.status(`${dir.path}/link`))?.size, 5);
      assert.equal(await os.files.status(`${dir.path}/broken`), undefined);
      assert.equal(await os.files.status(`${dir.path}/file/below`), undefined);
      const nothing = await os.files.status("/dev/null");
      assert.equal(nothing?.kind, "character");
      assert.equal(nothing?.deviceNumber, 0x103n);
      assert.equal((await os.files.status(dir.path))?.kind, "directory");
    },
  },
  {
    name: "times and size on disk of a file are what stat(1) shows, to the nanosecond",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.files.write(`${dir.path}/a`, "x".repeat(5000));
      const shown = await output(os, 'touch -d @1234567890.123456789 "$1"; stat -c "%.9Y %.9Z %b" "$1"', {
        args: [`${dir.path}/a`],
      });
      const [modified = "", changed = "", blocks] = shown.trim().split(" ");
      const milliseconds = (text: string): number => {
        const [seconds, nanoseconds] = text.split(".").map(Number);
        return (seconds ?? 0) * 1000 + (nanoseconds ?? 0) / 1e6;
      };
      const status = await os.files.status(`${dir.path}/a`);
      assert.equal(status?.modifiedMs, milliseconds(modified));
      assert.equal(status?.changedMs, milliseconds(changed));
      assert.equal(status?.allocatedBytes, Number(blocks) * 512);
    },
  },
  {
    name: "a file grows by zeros that take no space, and shrinks; a missing one is not created",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/a`;
      await os.files.write(path, "abc");
      await os.files.resize(path, 2 ** 33);
      const grown = await os.files.status(path);
      assert.equal(grown?.size, 2 ** 33);
      assert.equal((grown?.allocatedBytes ?? Number.NaN) < 2 ** 20, true);
      await os.files.resize(path, 4);
      assert.deepEqual([...(await os.files.readBytes(path))], [97, 98, 99, 0]);
      await assert.rejects(os.files.resize(`${dir.path}/b`, 1), { errno: "ENOENT" });
    },
  },
  {
    name: "owner, mode and name of a file can be changed",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.files.write(`${dir.path}/a`, "");
      await os.files.changeOwner(`${dir.path}/a`, 1234, 5678);
      await os.files.changeMode(`${dir.path}/a`, 0o4755);
      await os.files.rename(`${dir.path}/a`, `${dir.path}/b`);
      const status = await os.files.status(`${dir.path}/b`);
      assert.deepEqual([status?.uid, status?.gid, status?.mode], [1234, 5678, 0o4755]);
      await os.files.removeFile(`${dir.path}/b`);
      await assert.rejects(os.files.removeFile(`${dir.path}/b`), { errno: "ENOENT" });
    },
  },
  {
    name: "links are read and resolved",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.files.makeDirs(`${dir.path}/a/b`, 0o700);
      await os.files.symlink("a/b/../b", `${dir.path}/link`);
      assert.equal(await os.files.readLink(`${dir.path}/link`), "a/b/../b");
      assert.equal(await os.files.realPath(`${dir.path}/link/.`), `${dir.path}/a/b`);
    },
  },
  {
    name: "removing a tree follows no link out of it",
    async run(os, assert) {
      await using dir = await scratch(os);
      await os.files.makeDirs(`${dir.path}/keep`, 0o700);
      await os.files.write(`${dir.path}/keep/file`, "kept");
      await os.files.makeDirs(`${dir.path}/tree/a/b`, 0o700);
      await os.files.symlink("../../keep", `${dir.path}/tree/a/link`);
      await os.files.symlink(`${dir.path}/keep`, `${dir.path}/tree/link`);
      await os.files.removeTree(`${dir.path}/tree`);
      assert.equal(await os.files.linkStatus(`${dir.path}/tree`), undefined);
      assert.equal(await os.files.readText(`${dir.path}/keep/file`), "kept");
    },
  },
  ...[0, 1, 70].map((depth) => ({
    name: `removing a tree follows no link that appears while it is removed, ${depth} directories deep`,
    run: (os: Os, assert: ContractAssert) => removeUnderAttack(os, assert, depth),
  })),
  {
    name: "removing a tree empties nothing that is mounted in it or on it meanwhile",
    async run(os, assert) {
      await using dir = await scratch(os);
      const [keep, tree] = [`${dir.path}/keep`, `${dir.path}/tree`];
      await os.files.makeDirs(`${keep}/below`, 0o700);
      await os.files.write(`${keep}/below/file`, "kept");
      for (const target of [`${tree}/m`, tree]) {
        for (let round = 0; round < 2; round++) {
          const directories = 'mkdir -p "$1/m" && cd "$1" && mkdir $(seq 200)';
          await output(os, directories, { args: [tree] });
          const removing = settled(os.files.removeTree(tree));
          const mounting = settled(os.mounts.mount({ source: keep, target, flags: ["bind"] }));
          await Promise.all([removing, mounting]);
          await os.mounts.unmount(target);
          assert.equal(await os.files.readText(`${keep}/below/file`), "kept");
          await settled(os.files.removeTree(tree));
          assert.equal(await os.files.linkStatus(tree), undefined);
        }
      }
    },
  },
  {
    name: "a tree deeper than any path may be, with names that are not UTF-8, is removed",
    async run(os, assert) {
      await using dir = await scratch(os);
      const script = `
        name=$(printf '\\377\\376x'); mkdir "$1/t"; cd "$1/t"; i=0
        while [ $i -lt 400 ]; do mkdir "$name$i"; : > "$name.file"; cd -P "$name$i" || exit 1; i=$((i+1)); done
        echo made`;
      assert.equal(await output(os, script, { args: [dir.path] }), "made");
      await os.files.removeTree(`${dir.path}/t`);
      assert.deepEqual(await os.files.list(dir.path), []);
    },
  },
  {
    name: "a deep tree is removed whatever names it has at its top",
    async run(os, assert) {
      await using dir = await scratch(os);
      const script = `
        mkdir "$1/t"; cd "$1/t"
        for i in $(seq 0 19); do mkdir -p .removing.$2.$i/x; done
        for i in $(seq 5); do mkdir -p $i/$(seq -s / 70); done
        echo made`;
      assert.equal(await output(os, script, { args: [dir.path, String(os.self.pid)] }), "made");
      await os.files.removeTree(`${dir.path}/t`);
      assert.deepEqual(await os.files.list(dir.path), []);
    },
  },
  {
    name: "a lock is held by one at a time and passed on",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/lock`;
      const events: string[] = [];
      const first = await os.files.lock(path);
      const second = os.files.lock(path).then((lock) => {
        events.push("second");
        return lock;
      });
      assert.equal(await heldElsewhere(os, path), true);
      events.push("release");
      await first[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      const lock = await second;
      assert.deepEqual(events, ["release", "second"]);
      await lock[Symbol.asyncDispose]();
      assert.equal(await heldElsewhere(os, path), false);
    },
  },
  {
    name: "waiting for a lock can be given up, and the lock stays free",
    async run(os, assert) {
      await using dir = await scratch(os);
      const path = `${dir.path}/lock`;
      const first = await os.files.lock(path);
      const controller = new AbortController();
      const waiting = os.files.lock(path, controller.signal);
      controller.abort();
      await assert.rejects(waiting, { code: "aborted" });
      await first[Symbol.asyncDispose]();
      const again = await os.files.lock(path);
      await again[Symbol.asyncDispose]();
    },
  },
];

/** Whether another process cannot take the lock. */
async function heldElsewhere(os: Os, path: string): Promise<boolean> {
  return (await output(os, 'flock -n "$1" echo free || echo held', { args: [path] })) === "held";
}

/** Another process exchanges a directory of the tree for links out of it and files, and back, as fast as it can. */
async function removeUnderAttack(os: Os, assert: ContractAssert, depth: number): Promise<void> {
  await using dir = await scratch(os);
  await os.files.makeDirs(`${dir.path}/keep/below`, 0o700);
  await os.files.write(`${dir.path}/keep/below/file`, "kept");
  const way = ["tree", ...Array.from({ length: depth }, (_, index) => `d${index}`)];
  const attacked = way.pop() ?? "";
  const parent = [dir.path, ...way].join("/");
  const script = `
    mkdir -p "$1" && cd "$1" || exit
    echo begun
    while cd "$1" 2>/dev/null; do
      mkdir -p "$3/a/b"; ln -s "$2" other; mv -T "$3" old; mv -T other "$3"; rm -rf old; rm -f "$3"; : > "$3"; rm -f "$3"
    done 2>/dev/null`;
  for (let round = 0; round < 5; round++) {
    const args = [parent, `${dir.path}/keep`, attacked];
    const attacker = await shell(os, script, { args, newSession: true, descriptors: printing });
    const said = attacker.streams.get(1);
    await said?.read();
    // It may meet what was made after it had looked, and says so then.
    for (let attempt = 0; attempt < 100; attempt++) {
      const failure = await settled(os.files.removeTree(`${dir.path}/tree`));
      if (failure === undefined) break;
      const known = ["ENOTEMPTY", "EBUSY", "ENOENT", ...(depth === 0 ? ["ENOTDIR", "EISDIR"] : [])];
      assert.ok(isSystemError(failure, ...known), String(failure));
    }
    // A program that the shell runs would finish what it has begun. Its output ends when both are gone.
    attacker.killGroup(9);
    await attacker.exited;
    await textOf(said);
    if ((await os.files.linkStatus(`${dir.path}/tree`)) !== undefined) await os.files.removeTree(`${dir.path}/tree`);
    assert.equal(await os.files.readText(`${dir.path}/keep/below/file`), "kept");
  }
}

/** What it rejects with. */
function settled(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}
