import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
import { type Claim, claimContainer, listClaims, releaseClaim } from "./claim.ts";
import { readJournal } from "./journal.ts";
import { sandboxPaths } from "./paths.ts";
import { readRecord } from "./record.ts";

const os = testOs();

describe("claiming an id", () => {
  let root: string;

  beforeEach(async () => {
    root = path.join(await mkdtemp(path.join(tmpdir(), "kumite-claim-")), "root");
  });
  afterEach(() => rm(path.dirname(root), { recursive: true }));

  function claim(id: string, using: Os = os): Promise<Claim> {
    return claimContainer(using, { root, id, bundle: "/b", rootfs: "/b/rootfs", annotations: {} });
  }

  it("creates a private directory with journal and record in it", async () => {
    const { paths } = await claim("web");
    assert.equal((await os.files.status(paths.directory))?.mode, 0o700);
    assert.equal((await readJournal(os, paths.journal))?.owner.pid, process.pid);
    assert.deepEqual((await readRecord(os, paths.state))?.status, { phase: "creating" });
    assert.deepEqual(await listClaims(os, root), ["web"]);
  });

  it("gives an id to one of many claims", async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => claim("web")));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    for (const result of results) {
      if (result.status === "rejected") assert.ok(isKumiteError(result.reason, "container/exists"));
    }
    assert.deepEqual(await readdir(root), ["web"]);
  });

  it("leaves nothing under the id when it is interrupted, and the next claim removes what is left elsewhere", async () => {
    // The remains of a process that died between its first and its last step. No process has that start time.
    await mkdir(path.join(root, `.claim-${process.pid}-1-00ff`), { recursive: true });
    await mkdir(path.join(root, ".gone-1-2-00ff/shared"), { recursive: true });
    await claim("web");
    assert.deepEqual(await readdir(root), ["web"]);
  });

  it("does not touch what a living process is creating", async () => {
    const name = `.claim-${os.self.pid}-${os.self.startTicks}-00ff`;
    await mkdir(path.join(root, name), { recursive: true });
    await claim("web");
    assert.deepEqual((await readdir(root)).sort(), [name, "web"]);
  });

  it("leaves no trace when the disk is full", async () => {
    const replace: Os["files"]["replace"] = (file, data, mode) =>
      file.endsWith("state.json") ? Promise.reject(new Error("disk full")) : os.files.replace(file, data, mode);
    await assert.rejects(claim("web", { ...os, files: { ...os.files, replace } }), /disk full/);
    assert.deepEqual(await readdir(root), []);
  });

  it("is undone completely by its release", async () => {
    const { paths } = await claim("web");
    await releaseClaim(os, root, paths);
    await releaseClaim(os, root, paths);
    assert.deepEqual(await readdir(root), []);
    await claim("web");
  });

  it("is refused for the directory of the sockets", async () => {
    const request = { root: "/run/kumite", id: "s", bundle: "/b", rootfs: "/b", annotations: {} };
    await assert.rejects(claimContainer(os, request), (error) => isKumiteError(error, "container/bad-id"));
  });

  it("does not read other directories as claims", async () => {
    assert.deepEqual(await listClaims(os, root), []);
    await claim("web");
    await writeFile(path.join(root, ".claim-1-2-3"), "");
    await writeFile(path.join(root, "file"), "");
    await mkdir(path.join(root, "directory"));
    assert.deepEqual(await listClaims(os, root), ["web"]);
  });
});

describe("the paths of a sandbox", () => {
  it("include a separate socket for every root and id, with a path short enough for the kernel", () => {
    const long = sandboxPaths(`/${"r".repeat(300)}`, "i".repeat(128)).socket;
    assert.ok(long.length < 107);
    assert.match(long, /^\/run\/kumite\/s\/[0-9a-f]{16}$/);
    assert.notEqual(sandboxPaths("/a", "b").socket, sandboxPaths("/a", "c").socket);
    assert.notEqual(sandboxPaths("/a", "b").socket, sandboxPaths("/b", "b").socket);
    assert.equal(sandboxPaths("/a/", "b").socket, sandboxPaths("/a", "b").socket);
  });
});
