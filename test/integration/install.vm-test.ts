/** An installation by `make install` works, and `make uninstall` removes all of it. */
import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { shell } from "../support/bundle.ts";
import { execute, describe as show, succeed } from "../support/command.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const repository = path.resolve(import.meta.dirname, "../..");

describe("an installed kumite", onlyKumite, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("install");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  it("runs a container without the working tree and without PATH, and is uninstalled completely", async () => {
    const target = place.path("target");
    await mkdir(target);
    const make = ["make", "-s", "-C", repository, `DESTDIR=${target}`, "PREFIX=/opt/kumite"];
    await succeed([...make, "install"]);
    const share = path.join(target, "opt/kumite/share");
    const [manual, completion] = [`${share}/man/man8/kumite-create.8`, `${share}/bash-completion/completions/kumite`];
    assert.match((await succeed(["cat", manual])).stdout, /^\.TH KUMITE\\-CREATE 8 /m);
    assert.match((await succeed(["cat", completion])).stdout, /^complete -F _kumite kumite$/m);
    const program = path.join(target, "opt/kumite/bin/kumite");
    const checked = await execute([program, "--root", place.root, "check"], { env: {}, cwd: "/" });
    assert.equal(checked.status, 0, show(checked));
    const bundle = await place.bundle(shell("echo installed"));
    const finished = await execute(
      [program, "--root", place.root, "run", "--bundle", bundle.directory, place.newId()],
      {
        env: {},
        cwd: "/",
      },
    );
    assert.deepEqual([finished.stdout, finished.stderr, finished.status], ["installed\n", "", 0], show(finished));
    await succeed([...make, "uninstall"]);
    const left = (await readdir(target, { recursive: true, withFileTypes: true })).filter(
      (entry) => !entry.isDirectory(),
    );
    assert.deepEqual(
      left.map(({ name }) => name),
      [],
    );
  });
});
