import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { type Claim, claimContainer } from "../persist/claim.ts";
import { writeRecord } from "../persist/record.ts";
import { isKumiteError } from "../util/errors.ts";
import { observeContainer } from "./observe.ts";
import { recoverContainer } from "./recover.ts";
import { recoverAll } from "./recover-all.ts";

const os = testOs();
const nobody = { pid: 2 ** 22 - 1, startTicks: 1 };

describe("recovering all sandboxes of a root", () => {
  let place: string;
  let root: string;
  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-recover-all-"));
    root = path.join(place, "root");
  });
  afterEach(() => rm(place, { recursive: true }));

  /** Claims the id, and makes a directory outside of the claim. */
  async function claim(id: string): Promise<Claim> {
    const made = await claimContainer(os, { root, id, bundle: "/b", rootfs: "/b/rootfs", annotations: {} });
    const directory = path.join(place, id);
    await made.journal.make({ kind: "directory", path: directory }, () => mkdir(directory));
    return made;
  }

  async function dead(id: string): Promise<Claim> {
    const made = await claim(id);
    await made.journal.handOver(nobody);
    return made;
  }

  it("removes the dead and leaves the living alone", async () => {
    await dead("b");
    await dead("a");
    await claim("c");
    assert.deepEqual(await recoverAll(os, root), {
      recovered: ["a", "b"],
      stopped: [],
      living: ["c"],
      swept: [],
      failed: [],
    });
    assert.deepEqual((await readdir(place)).sort(), ["c", "root"]);
    assert.deepEqual(await readdir(root), ["c"]);
    await recoverContainer(os, root, "c");
  });

  it("keeps the status of one that has stopped, and nothing else of it", async () => {
    const { paths } = await dead("web");
    const status = { phase: "stopped" as const, exitStatus: 3, exitedMs: 1 };
    const record = { id: "web", bundle: "/b", rootfs: "/b/rootfs", annotations: {}, createdMs: 1, timeline: {} };
    await writeRecord(os, paths.state, { ...record, status });
    for (let time = 0; time < 2; time++) assert.deepEqual((await recoverAll(os, root)).stopped, ["web"]);
    assert.ok(!existsSync(path.join(place, "web")));
    assert.equal((await observeContainer(os, root, "web")).exitStatus, 3);
    await recoverContainer(os, root, "web");
  });

  it("keeps nothing of a stopped one that belonged to a program", async () => {
    const { paths } = await dead("sandbox-1");
    const status = { phase: "stopped" as const, exitStatus: 0, exitedMs: 1 };
    const record = { id: "sandbox-1", bundle: "/b", rootfs: "/b/rootfs", annotations: {}, createdMs: 1, timeline: {} };
    await writeRecord(os, paths.state, { ...record, status, ofProgram: true });
    assert.deepEqual((await recoverAll(os, root)).recovered, ["sandbox-1"]);
    assert.deepEqual(await readdir(root), []);
  });

  it("removes what a killed claim left", async () => {
    const left = `.claim-${nobody.pid}-${nobody.startTicks}-00ff`;
    await mkdir(path.join(root, left), { recursive: true });
    assert.deepEqual((await recoverAll(os, root)).swept, [left]);
    assert.deepEqual(await readdir(root), []);
  });

  it("reports one that cannot be read, and continues", async () => {
    const { paths } = await dead("a");
    await writeFile(paths.journal, "{");
    await dead("b");
    const { recovered, failed } = await recoverAll(os, root);
    assert.deepEqual(recovered, ["b"]);
    assert.equal(failed[0]?.id, "a");
    assert.ok(isKumiteError(failed[0]?.error, "journal/corrupt"));
  });

  it("has nothing to do without a root", async () => {
    assert.deepEqual(await recoverAll(os, root), { recovered: [], stopped: [], living: [], swept: [], failed: [] });
  });
});
