/** buildah 1.28 with isolation "oci" over the runtime under test, without a network. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type CommandOptions, describe as show } from "../../support/command.ts";
import { expectNothingNew, guardAgainstLeftOvers, lookAtMachine, type Machine } from "../../support/left-overs.ts";
import { onlyKumite } from "../../support/workplace.ts";
import { Buildah, base } from "./buildah.ts";

describe("buildah", () => {
  let buildah: Buildah;
  let container: string;
  let start: Machine;

  before(async () => {
    start = lookAtMachine();
    buildah = await Buildah.open();
    container = await buildah.ask(["from", base]);
  });
  after(async () => {
    await buildah[Symbol.asyncDispose]();
    await expectNothingNew(start);
  });
  guardAgainstLeftOvers(() => ({ ignored: [buildah.ownMount] }));

  const run = (flags: readonly string[], command: readonly string[], options?: CommandOptions) =>
    buildah.call(["run", "--network", "none", ...flags, container, "--", ...command], options);

  it("run passes input, output, errors and the exit status", async () => {
    const script = "tr a-z A-Z; echo err >&2; exit 42";
    const finished = await run([], ["sh", "-c", script], { stdin: "piped\n" });
    assert.deepEqual([finished.stdout, finished.status], ["PIPED\n", 42], show(finished));
    assert.match(finished.stderr, /^err\n/);
  });

  it("run uses a VM of its own, and what it writes stays", onlyKumite, async () => {
    await run([], ["sh", "-c", "uname -r >/kernel"]);
    const kernel = await buildah.read(container, "kernel");
    assert.match(kernel, /^\d+\.\d+/);
    assert.notEqual(kernel, await readFile("/proc/sys/kernel/osrelease", "utf8"));
  });

  it("run -t gives a terminal", async () => {
    const finished = await run(["--terminal"], ["sh", "-c", "tty; test -t 1 && echo terminal"]);
    assert.match(finished.stdout, /\/dev\/(pts\/\d+|console)\r\nterminal\r\n/, show(finished));
  });

  it("run accepts a user and volumes", async () => {
    const shared = path.join(buildah.directory, "shared");
    await mkdir(shared, { recursive: true });
    await writeFile(path.join(shared, "in"), "from the host\n");
    const flags = ["--user", "1000", "--volume", `${shared}:/ro:ro`];
    const finished = await run(flags, ["sh", "-c", "id -u; cat /ro/in; echo x 2>/dev/null >/ro/in || echo kept"]);
    assert.equal(finished.stdout, "1000\nfrom the host\nkept\n", show(finished));
  });

  it("run of a command that does not exist fails and names it", async () => {
    const finished = await run([], ["no-such-program"]);
    assert.notEqual(finished.status, 0);
    assert.match(finished.stderr, /no-such-program.*not found/);
  });

  it("bud builds an image with RUN steps, and a failing step ends it", async () => {
    const context = path.join(buildah.directory, "context");
    await mkdir(context, { recursive: true });
    await writeFile(path.join(context, "input"), "one\ntwo\n");
    const steps = [
      "COPY input /input",
      "RUN wc -l </input >/lines && echo counted",
      "RUN cp /lines /copy && rm /input",
    ];
    const recipe = path.join(context, "Dockerfile");
    await writeFile(recipe, [`FROM ${base}`, ...steps].join("\n"));
    const bud = ["bud", "--network", "none", "--file", recipe];
    const built = await buildah.must([...bud, "--tag", "built", context]);
    assert.match(built.stdout, /^counted$/m);
    const result = await buildah.ask(["from", "built"]);
    assert.equal(await buildah.read(result, "copy"), "2\n");
    await assert.rejects(buildah.read(result, "input"), { code: "ENOENT" });
    await buildah.must(["rm", result]);

    await writeFile(recipe, `FROM ${base}\nRUN exit 5\n`);
    const failed = await buildah.call([...bud, context]);
    assert.notEqual(failed.status, 0);
    assert.match(failed.stderr, /exit status 5/);
  });
});
