/** The commands in the README do what it says. */
import assert from "node:assert/strict";
import { mkdir, readFile, symlink } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onTerminal } from "../support/terminal.ts";
import { onlyKumite, runtimePath, Workplace } from "../support/workplace.ts";

describe("the README", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("readme");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers();

  it("shows commands that create a bundle and run its shell", async () => {
    const text = await readFile(path.join(import.meta.dirname, "../../README.md"), "utf8");
    const commands = /```sh\n(.*?)```/s.exec(text)?.[1];
    assert.ok(commands !== undefined, "the README has a block of commands");
    const programs = place.path("bin");
    await mkdir(programs);
    await symlink(runtimePath, path.join(programs, "kumite"));
    const script = `cd ${place.directory} && PATH=${programs}:$PATH && set -e\n${commands}`;
    const terminal = await onTerminal(["sh", "-c", script]);
    await terminal.until("# ");
    terminal.type("uname -s; exit 5\r");
    await terminal.until("Linux");
    const end = await terminal.ended;
    assert.equal(end.status, 5, end.shown);
  });
});
