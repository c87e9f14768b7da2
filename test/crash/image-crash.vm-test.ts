/** Processes are killed while an image or layer of a root file system is made: nothing incomplete is left or used. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, watch } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Bundle, shell } from "../support/bundle.ts";
import { describe as show, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { processOf } from "../support/sandbox.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

describe("a root file system that is being made", onlyKumite, () => {
  let place: Workplace;
  let bundle: Bundle;
  let images: string;
  let uppers: string;
  let config: string;

  before(async () => {
    place = await Workplace.open("image-crash");
    [images, uppers] = [place.path("images"), place.path("uppers")];
    for (const directory of [images, uppers]) await mkdir(directory, { mode: 0o700 });
    config = place.path("configuration.toml");
    const keys = `rootfs_image_directory = "${images}"\nrootfs_upper_directory = "${uppers}"\n`;
    await writeFile(config, `[runtime]\nrootfs_writes = "guest"\n${keys}[factory]\nenable_template = false\n`);
    bundle = await place.bundle(shell("tail -c 4 /large; echo new >/new"));
    // Large enough that copying it takes a while.
    const large = path.join(bundle.rootfs, "large");
    await succeed(["sh", "-c", `head -c 200000000 /dev/urandom >${large}; printf end. >>${large}`]);
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  /** Creates a container and strikes when the file appears; afterwards nothing of the container may be left. */
  async function struck(directory: string, file: RegExp, strike: (id: string) => Promise<void>): Promise<string> {
    const id = place.newId();
    const watcher = watch(directory);
    const seen = new Promise<void>((resolve) => {
      watcher.on("change", (_event, name) => {
        if (file.test(String(name))) resolve();
      });
    });
    const creating = place.begin(["--config", config, "create", "--bundle", bundle.directory, id]);
    await Promise.race([seen, creating.finished]);
    watcher.close();
    await strike(id);
    const finished = await creating.finished;
    assert.notEqual(finished.status, 0, show(finished));
    await place.must(["delete", "--force", id]);
    const isWhole = (name: string) => /^([0-9a-f]+\.(erofs|size)|lock)$/.test(name);
    assert.deepEqual(
      readdirSync(images).filter((name) => !isWhole(name)),
      [],
    );
    assert.deepEqual(readdirSync(uppers), []);
    return finished.stderr;
  }

  const killShim = async (id: string): Promise<void> => void process.kill(await processOf(id, "shim"), "SIGKILL");

  it("is not left incomplete, whichever process is killed, and the next container has all of it", async () => {
    await struck(images, /\.unfinished$/, killShim);
    const told = await struck(images, /\.unfinished$/, async () => {
      for (const pid of processesNamed("mkfs.erofs")) process.kill(pid, "SIGKILL");
    });
    assert.match(told, /mkfs\.erofs was killed by SIGKILL/);
    await struck(uppers, /\.ext4$/, killShim);
    const before = readdirSync(images);
    const ran = await place.must(["--config", config, "run", "--bundle", bundle.directory, place.newId()]);
    assert.equal(ran.stdout, "end.");
    assert.deepEqual(readdirSync(uppers), []);
    const made = readdirSync(images).filter((name) => name.endsWith(".erofs"));
    assert.equal(made.length, 1);
    // Image and layer are made in parallel: a process that was killed at the layer may have finished the image.
    for (const name of before.filter((name) => name.endsWith(".erofs"))) assert.deepEqual(made, [name]);
  });
});

function processesNamed(name: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && commandOf(pid) === name);
}

function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined;
  }
}
