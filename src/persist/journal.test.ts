import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError, SystemError } from "../util/errors.ts";
import { Journal, type JournalContent, readJournal, serializeJournal } from "./journal.ts";
import type { Step } from "./step.ts";

const os = testOs();
const owner = { pid: 1, startTicks: 2 };
const content: JournalContent = { id: "web", token: "t", owner, steps: [] };
const mount: Step = { kind: "mount", target: "/m" };

describe("the journal", () => {
  let place: string;
  let file: string;

  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-journal-"));
    file = path.join(place, "journal.json");
    await writeFile(file, serializeJournal(content));
  });
  afterEach(() => rm(place, { recursive: true }));

  async function onDisk(): Promise<readonly Step[]> {
    return (await readJournal(os, file))?.steps ?? [];
  }

  it("contains a step on disk before its thing is created", async () => {
    const journal = new Journal(os, file, content);
    const made = await journal.make(mount, async () => {
      assert.deepEqual(await onDisk(), [mount]);
      return "made";
    });
    assert.equal(made, "made");
  });

  it("keeps the step of a thing that could not be created, since a part of it may exist", async () => {
    const journal = new Journal(os, file, content);
    await assert.rejects(
      journal.make(mount, () => Promise.reject(new Error("half"))),
      /half/,
    );
    assert.deepEqual(await onDisk(), [mount]);
  });

  it("prevents the creation of a thing whose step cannot be written", async () => {
    const full: Os = {
      ...os,
      files: { ...os.files, replace: () => Promise.reject(new SystemError("ENOSPC", "write")) },
    };
    const journal = new Journal(full, file, content);
    await assert.rejects(
      journal.make(mount, () => assert.fail("made without a step")),
      /no space left/,
    );
  });

  it("keeps steps in the order they were recorded, each once", async () => {
    const journal = new Journal(os, file, content);
    const steps: Step[] = [1, 2, 3].map((n) => ({ kind: "file", path: `/${n}` }));
    await Promise.all(steps.map((step) => journal.record(step)));
    await journal.record(...steps);
    assert.deepEqual(await onDisk(), steps);
  });

  it("is not written again for a step that it has on disk, and is for one that it may not have", async () => {
    let writes = 0;
    let fails = false;
    const replace: Os["files"]["replace"] = async (...args) => {
      writes += 1;
      if (fails) throw new SystemError("ENOSPC", "write");
      await os.files.replace(...args);
    };
    const counting: Os = { ...os, files: { ...os.files, replace } };
    const known = new Journal(counting, file, { ...content, steps: [mount] }, true);
    await known.record(mount);
    assert.equal(writes, 0);
    const journal = new Journal(counting, file, { ...content, steps: [mount] });
    await journal.record(mount);
    await journal.record(mount);
    assert.equal(writes, 1);
    const other: Step = { kind: "file", path: "/f" };
    const both = [journal.record(other), journal.record(other)];
    await Promise.all(both);
    assert.deepEqual(await onDisk(), [mount, other]);
    fails = true;
    await assert.rejects(journal.record({ kind: "file", path: "/g" }));
    await assert.rejects(journal.record({ kind: "file", path: "/g" }), /no space left/);
  });

  it("adds to a process step which process was started", async () => {
    const journal = new Journal(os, file, content);
    await journal.record({ kind: "process", key: "qemu" }, mount);
    await journal.made("qemu", { pid: 7, startTicks: 8 });
    assert.deepEqual(await onDisk(), [{ kind: "process", key: "qemu", pid: 7, startTicks: 8 }, mount]);
  });

  it("passes from one process to the next with all its steps", async () => {
    const journal = new Journal(os, file, content);
    await Promise.all([journal.record(mount), journal.handOver({ pid: 5, startTicks: 6 })]);
    const next = await readJournal(os, file);
    assert.deepEqual(next, { ...content, owner: { pid: 5, startTicks: 6 }, steps: [mount] });
  });

  it("removes the steps of things that are gone", async () => {
    const journal = new Journal(os, file, { ...content, steps: [mount, { kind: "file", path: "/f" }] });
    await journal.forget([mount]);
    assert.deepEqual(await onDisk(), [{ kind: "file", path: "/f" }]);
  });

  it("does not exist if there is no file", async () => {
    assert.equal(await readJournal(os, path.join(place, "none")), undefined);
  });

  const broken: readonly [what: string, text: string, complaint: RegExp][] = [
    ["cut short", '{"version":1,"id":"we', /line 1, column 22: the document ends too early/],
    ["empty", "", /ends too early/],
    ["of another version", '{"version":2}', /version 2 is not supported/],
    ["without owner", '{"version":1,"id":"a","token":"t","steps":[]}', /owner is not a process/],
    ["with an unknown step", serialized({ kind: "volume", path: "/x" }), /steps\[0\] is unknown: .*volume/],
    ["with a relative path", serialized({ kind: "directory", path: "x" }), /steps\[0\] is unknown/],
    ["with half a process", serialized({ kind: "process", key: "a", pid: 4 }), /steps\[0\] is unknown/],
  ];
  for (const [what, text, complaint] of broken) {
    it(`names its file when it is ${what}`, async () => {
      await writeFile(file, text);
      await assert.rejects(readJournal(os, file), (error) => {
        assert.ok(isKumiteError(error, "journal/corrupt"));
        assert.ok(error.message.startsWith(`${file}: `));
        assert.match(error.message, complaint);
        return true;
      });
      assert.equal(await readFile(file, "utf8"), text);
    });
  }
});

function serialized(step: unknown): string {
  return serializeJournal({ ...content, steps: [step as Step] });
}
