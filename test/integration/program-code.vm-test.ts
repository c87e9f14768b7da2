/**
 * Code of programs in shared files, which the kernel reads again after it needed the memory for something else. An
 * emulator translates code, and does not notice what a daemon writes into the guest's memory.
 */
import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { nativeHelper } from "../support/native.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

/** Code bytes of `pages.c`, and those of another program of the same length. */
const [number, other] = [Buffer.from([0x44, 0x33, 0x22, 0x11]), Buffer.from([0x55, 0x66, 0x77, 0x08])];

const takesTurns = `
i=0
while [ $i -lt 10 ]; do
  for program in one other; do
    $program || echo "$program ended with $?"
    echo 1 >/proc/sys/vm/drop_caches
  done
  i=$((i + 1))
done`;

describe("the code of a program", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("program-code");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("is what is in its file, whatever code was in that memory before", async () => {
    const bundle = await place.bundle(shell(takesTurns), ({ linux }) => {
      Object.assign(linux, { readonlyPaths: [] });
    });
    const one = await readFile(await nativeHelper("pages"));
    for (const [name, program] of [
      ["one", one],
      ["other", replaced(one)],
    ] as const) {
      const file = path.join(bundle.rootfs, "bin", name);
      await writeFile(file, program);
      await chmod(file, 0o755);
    }
    const { stdout } = await place.must(["run", "--bundle", bundle.directory, place.newId()]);
    assert.equal(stdout, "");
  });

  function replaced(program: Buffer): Buffer {
    const copy = Buffer.from(program);
    let count = 0;
    for (let at = copy.indexOf(number); at >= 0; at = copy.indexOf(number, at + 4)) {
      other.copy(copy, at);
      count += 1;
    }
    assert.ok(count > 256, `${count}`);
    return copy;
  }
});
