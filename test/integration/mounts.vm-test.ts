/** Bind mounts, tmpfs and the root file system, from both sides. All tests share one container. */
import assert from "node:assert/strict";
import { appendFile, chmod, chown, lstat, mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Bundle, shell } from "../support/bundle.ts";
import { type Finished, describe as show } from "../support/command.ts";
import { expectNothingNew, lookAtMachine, type Machine } from "../support/left-overs.ts";
import { processOf } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

describe("a mount", () => {
  let place: Workplace;
  let start: Machine;
  let bundle: Bundle;
  let id: string;
  let writable: string;
  let readable: string;
  let file: string;

  before(async () => {
    place = await Workplace.open("mounts");
    start = lookAtMachine({ directories: [place.root] });
    [writable, readable, file] = [place.path("rw"), place.path("ro"), place.path("file")];
    for (const directory of [writable, readable]) {
      await mkdir(path.join(directory, "inner"), { recursive: true });
      await writeFile(path.join(directory, "here"), "from the host\n");
    }
    await writeFile(file, "one file\n");
    await chmod(file, 0o640);
    bundle = await place.bundle(shell("trap 'exit 0' TERM; while :; do sleep 0.2; done"), (config) => {
      for (const set of ["bounding", "effective", "permitted"] as const) {
        config.process.capabilities?.[set].push("CAP_CHOWN", "CAP_FOWNER", "CAP_FSETID");
      }
      config.mounts.push(
        { destination: "/rw", type: "bind", source: writable, options: ["rbind", "rw"] },
        { destination: "/ro", type: "bind", source: readable, options: ["bind", "ro"] },
        { destination: "/etc/one", type: "bind", source: file, options: ["bind", "ro"] },
        { destination: "/deep/er", type: "tmpfs", source: "tmpfs", options: ["nosuid", "size=1m", "mode=700"] },
      );
    });
    id = await place.runDetached(bundle);
  });
  after(async () => {
    await place[Symbol.asyncDispose]();
    await expectNothingNew(start, { directories: [place.root] });
  });

  const sh = (script: string): Promise<Finished> => place.runtime(["exec", id, "sh", "-c", script]);

  it("shows the host's files, and the host sees what the container writes", async () => {
    assert.equal((await sh("cat /rw/here; echo from inside >/rw/inner/new")).stdout, "from the host\n");
    assert.equal(await readFile(path.join(writable, "inner/new"), "utf8"), "from inside\n");
    await writeFile(path.join(writable, "later"), "later\n");
    assert.equal((await sh("cat /rw/later")).stdout, "later\n");
  });

  it("lets members of a directory's group and processes with the capability create files in it, as their own", async () => {
    const shared = path.join(writable, "shared");
    await mkdir(shared);
    await chown(shared, 0, 4000);
    await chmod(shared, 0o2775);
    const make = "cd /rw/shared && touch file && mkdir directory && ln -s file link && mkfifo fifo && id -G";
    const made = await place.runtime(["exec", "--user", "1000:1000", "-g", "4000", id, "sh", "-c", make]);
    assert.equal(made.stdout, "1000 4000\n", show(made));
    for (const name of ["file", "directory", "fifo"]) {
      const { uid, gid } = await stat(path.join(shared, name));
      assert.deepEqual([uid, gid], [1000, 4000], name);
    }
    const stranger = await place.runtime(["exec", "--user", "1000:1000", id, "touch", "/rw/shared/another"]);
    assert.match(stranger.stderr, /Permission denied/, show(stranger));
  });

  it("shows the host's changes to a file that the container has read", async () => {
    const changing = path.join(writable, "changing");
    const replace = async (text: string): Promise<void> => {
      await writeFile(`${changing}.new`, text);
      await rename(`${changing}.new`, changing);
    };
    const changes: readonly (readonly [string, () => Promise<void>])[] = [
      ["first\n", () => writeFile(changing, "first\n")],
      ["other\n", () => writeFile(changing, "other\n")],
      ["other\nmore\n", () => appendFile(changing, "more\n")],
      ["less\n", () => writeFile(changing, "less\n")],
      ["new\n", () => replace("new\n")],
    ];
    for (const [expected, change] of changes) {
      await change();
      assert.equal((await sh("cat /rw/changing")).stdout, expected);
    }
  });

  it("keeps owner and mode of the container's files", async () => {
    const finished = await sh(
      "cd /rw && touch owned && chown 1000:33 owned && chmod 2750 owned && mkfifo fifo && ln -s /nowhere link",
    );
    assert.equal(finished.status, 0, show(finished));
    const status = await lstat(path.join(writable, "owned"));
    assert.deepEqual([status.uid, status.gid, status.mode & 0o7777], [1000, 33, 0o2750]);
    assert.ok((await lstat(path.join(writable, "fifo"))).isFIFO());
    assert.ok((await lstat(path.join(writable, "link"))).isSymbolicLink());
  });

  it("that is read-only refuses writing", async () => {
    assert.equal((await sh("cat /ro/here")).stdout, "from the host\n");
    for (const attempt of ["echo x >/ro/here", "touch /ro/new", "rm /ro/here", "mkdir /ro/dir", "echo x >/etc/one"]) {
      const finished = await sh(attempt);
      assert.notEqual(finished.status, 0, show(finished));
      assert.match(finished.stderr, /[Rr]ead-only file system/);
    }
    assert.equal(await readFile(path.join(readable, "here"), "utf8"), "from the host\n");
  });

  it("that is read-only refuses writing on the host's side too", onlyKumite, async () => {
    // The guest's kernel is not trusted: virtiofsd must refuse the write, whatever the guest does.
    const daemon = await processOf(id, "virtiofsd");
    const mounts = await readFile(`/proc/${daemon}/mountinfo`, "utf8");
    const inItsFileSystem = (host: string) => path.join(path.basename(place.directory), path.basename(host));
    const sources = [readable, file].map(inItsFileSystem);
    const shared = mounts.split("\n").filter((line) => sources.some((source) => line.includes(source)));
    assert.ok(shared.length >= 2, mounts);
    for (const line of shared) assert.match(line.split(" ")[5] ?? "", /^ro(,|$)/, line);
  });

  it("of a single file shows that file with its mode", async () => {
    assert.equal((await sh("cat /etc/one; stat -c %a /etc/one")).stdout, "one file\n640\n");
  });

  it("of type tmpfs has its size and mode, even where the tree lacks the directory", async () => {
    assert.match((await sh("stat -c %a /deep/er; grep /deep/er /proc/mounts")).stdout, /^700\n.*size=1024k/);
    assert.notEqual((await sh("head -c 2000000 /dev/zero >/deep/er/big")).status, 0);
  });

  it("as the root shows the host what the container writes, and supports special files", async () => {
    assert.equal((await sh("echo root >/root/written; mkfifo /root/pipe")).status, 0);
    assert.equal(await readFile(path.join(bundle.rootfs, "root/written"), "utf8"), "root\n");
  });
});

describe("a read-only root", () => {
  it("refuses writing, and leaves mounts writable", async () => {
    await using place = await Workplace.open("roroot");
    const start = lookAtMachine({ directories: [place.root] });
    const bundle = await place.bundle(
      shell("echo x >/new && echo wrote; echo y >/dev/shm/z && cat /dev/shm/z"),
      (config) => {
        config.root.readonly = true;
      },
    );
    const finished = await place.run(bundle);
    assert.equal(finished.stdout, "y\n", show(finished));
    assert.match(finished.stderr, /Read-only file system/);
    await expectNothingNew(start, { directories: [place.root] });
  });
});
