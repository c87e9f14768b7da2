import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { nodeOs } from "../../sys/node/node-os.ts";
import { openLog } from "./cli-log.ts";

describe("the log of a verb", () => {
  const os = nodeOs({ installRoot: "/nowhere" });
  let directory: string;
  let count = 0;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "kumite-log-"));
  });
  after(() => rm(directory, { recursive: true }));

  const flags = (over: { log?: string; "log-format"?: "text" | "json"; debug?: boolean }) => ({
    log: undefined,
    "log-format": undefined,
    debug: false,
    ...over,
  });
  const nobody = async () => assert.fail("nothing goes to standard error");

  it("is appended to, in order, and not readable for everyone", async () => {
    const file = join(directory, `${++count}`);
    for (const word of ["one", "two"]) {
      const log = await openLog(os, flags({ log: file, "log-format": "json" }), nobody);
      log.logger.error(`${word} a`);
      log.logger.warn(`${word} b`);
      log.logger.debug("not at this level");
      await log.flush();
    }
    const lines = (await readFile(file, "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ level, msg }) => [level, msg]),
      [
        ["error", "one a"],
        ["warning", "one b"],
        ["error", "two a"],
        ["warning", "two b"],
      ],
    );
    assert.ok(lines.every(({ time }) => !Number.isNaN(Date.parse(time))));
    assert.equal((await stat(file)).mode & 0o777, 0o640);
  });

  it("is text unless JSON is requested", async () => {
    const file = join(directory, `${++count}`);
    const log = await openLog(os, flags({ log: file }), nobody);
    log.logger.error("it failed", { container: "web" });
    await log.flush();
    assert.match(await readFile(file, "utf8"), /^time=\S+ level=error msg="it failed" container=web\n$/);
  });

  it("is empty without a file, and everything on standard error with --debug", async () => {
    const silent = await openLog(os, flags({}), nobody);
    silent.logger.error("x");
    await silent.flush();
    const lines: string[] = [];
    const loud = await openLog(os, flags({ debug: true }), async (line) => void lines.push(line));
    loud.logger.debug("a step");
    await loud.flush();
    assert.match(lines.join(""), /level=debug msg="a step"\n$/);
  });

  it("that cannot be written is refused before anything else", async () => {
    const file = join(directory, "missing/log");
    await assert.rejects(openLog(os, flags({ log: file }), nobody), { code: "usage/invalid", message: /missing\/log/ });
  });
});
