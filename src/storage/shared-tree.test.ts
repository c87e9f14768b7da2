import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { claimContainer } from "../persist/claim.ts";
import type { Journal } from "../persist/journal.ts";
import { type SandboxPaths, sandboxPaths } from "../persist/paths.ts";
import { undoAll } from "../persist/undo.ts";
import { isKumiteError, isSystemError } from "../util/errors.ts";
import type { Volume } from "./mount-plan.ts";
import type { RootfsPlan } from "./rootfs/rootfs-plan.ts";
import { shareContainer, shareSandboxMounts } from "./share-container.ts";
import { makeSharedTree, type SharedTree } from "./shared-tree.ts";

const os = testOs();

/** A process in its own mount namespace, like virtiofsd. It sees later mounts of this namespace by propagation. */
class Daemon {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(): Promise<Daemon> {
    const script = "mount --make-rslave / && echo ready && exec cat";
    const child = spawn("unshare", ["--mount", "--propagation", "unchanged", "sh", "-c", script]);
    await new Promise((resolve, reject) => {
      child.stdout.once("data", resolve);
      child.once("exit", reject);
    });
    return new Daemon(child);
  }

  /** A path as this process sees it. */
  path(of: string): string {
    return `/proc/${this.#process.pid}/root${of}`;
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await gone;
  }
}

describe("the shared tree", () => {
  let place: string;
  let journal: Journal;
  let paths: SandboxPaths;
  let tree: SharedTree;
  let daemon: Daemon;

  before(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-storage-"));
  });
  after(async () => {
    const left = (await os.mounts.table()).filter(({ target }) => target.startsWith(place));
    assert.deepEqual(left, []);
    await rm(place, { recursive: true });
  });

  beforeEach(async () => {
    const root = path.join(place, "root");
    ({ journal } = await claimContainer(os, { root, id: "web", bundle: place, rootfs: place, annotations: {} }));
    paths = sandboxPaths(root, "web");
    tree = await makeSharedTree(os, journal, paths.shared);
    daemon = await Daemon.start();
  });
  afterEach(async () => {
    await daemon.stop();
    assert.deepEqual(await undoAll(os, journal.content.steps), []);
    await rm(paths.directory, { recursive: true });
  });

  function shared(directory: string): RootfsPlan {
    return { kind: "shared", directory };
  }

  async function directory(name: string, file: string, content: string): Promise<string> {
    const made = path.join(place, name);
    await mkdir(made, { recursive: true });
    writeFileSync(path.join(made, file), content);
    return made;
  }

  function volume(source: string, more: Partial<Volume> = {}): Volume {
    return { index: 3, source, kind: "directory", readonly: false, recursive: true, ...more };
  }

  it("carries binds made after the start to a daemon in its own mount namespace", async () => {
    const rootfs = await directory("rootfs", "greeting", "hello");
    await shareContainer(os, tree, { containerId: "web", rootfs: shared(rootfs), volumes: [] });
    const seen = daemon.path(`${tree.view}/web/rootfs`);
    assert.equal(readFileSync(`${seen}/greeting`, "utf8"), "hello");
    writeFileSync(`${seen}/answer`, "from the guest");
    assert.equal(readFileSync(`${rootfs}/answer`, "utf8"), "from the guest");
  });

  it("lets the guest write inside shared directories and nowhere else", async () => {
    await shareContainer(os, tree, {
      containerId: "web",
      rootfs: shared(await directory("rootfs", "a", "")),
      volumes: [],
    });
    for (const at of ["", "/web"]) {
      assert.throws(() => writeFileSync(daemon.path(`${tree.view}${at}/planted`), ""), { code: "EROFS" });
    }
  });

  it("shares a read-only volume that the daemon cannot write to either", async () => {
    const source = await directory("data", "file", "kept");
    const volumes = [volume(source, { readonly: true })];
    await shareContainer(os, tree, {
      containerId: "web",
      rootfs: shared(await directory("rootfs", "a", "")),
      volumes: volumes,
    });
    const seen = daemon.path(`${tree.view}/web/volume-3/file`);
    assert.equal(readFileSync(seen, "utf8"), "kept");
    assert.throws(() => writeFileSync(seen, "changed"), { code: "EROFS" });
    writeFileSync(`${source}/file`, "the host may");
    assert.equal(readFileSync(seen, "utf8"), "the host may");
  });

  it("shares the lower layer of a root file system read-only", async () => {
    const lower = { kind: "shared", directory: await directory("rootfs", "file", "kept") } as const;
    await shareContainer(os, tree, {
      containerId: "web",
      rootfs: { kind: "layers", lower, upper: { kind: "memory" } },
      volumes: [],
    });
    const seen = daemon.path(`${tree.view}/web/rootfs/file`);
    assert.equal(readFileSync(seen, "utf8"), "kept");
    assert.throws(() => writeFileSync(seen, "changed"), { code: "EROFS" });
  });

  it("shares nothing outside of the guest's directories through a link that the guest made", async () => {
    const secret = await directory("secret", "file", "of the host");
    const beneath = await directory("written", "file", "its own");
    await symlink(secret, `${beneath}/out`);
    await mkdir(`${beneath}/in`);
    const rootfs = shared(await directory("rootfs", "a", ""));
    await assert.rejects(
      shareContainer(os, tree, {
        containerId: "web",
        rootfs: rootfs,
        volumes: [volume(`${beneath}/out`, { beneath })],
      }),
      (error) => isKumiteError(error, "storage/failed") && /a link on its path leads out/.test(error.hint ?? ""),
    );
    assert.ok(!existsSync(daemon.path(`${tree.view}/web/volume-3/file`)));
  });

  it("does not propagate its mounts to other mount namespaces", async () => {
    const outer = path.join(place, "outer");
    await mkdir(outer);
    await os.mounts.mount({ source: outer, target: outer, flags: ["bind"] });
    await os.mounts.mount({ target: outer, flags: ["shared"] });
    const other = await claimContainer(os, { root: outer, id: "web", bundle: place, rootfs: place, annotations: {} });
    try {
      const { shared: parent } = sandboxPaths(outer, "web");
      await makeSharedTree(os, other.journal, parent);
      const found = (await os.mounts.table()).filter(({ target }) => target === parent);
      assert.deepEqual(
        found.map(({ optionalFields }) => optionalFields),
        [[]],
      );
    } finally {
      assert.deepEqual(await undoAll(os, other.journal.content.steps), []);
      await os.mounts.unmount(outer);
    }
  });

  it("keeps a source read-only that is read-only on the host", async () => {
    const source = await directory("data", "file", "");
    await os.mounts.mount({ source, target: source, flags: ["bind"] });
    try {
      await os.mounts.mount({ target: source, flags: ["remount", "bind", "ro"] });
      await shareContainer(os, tree, {
        containerId: "web",
        rootfs: shared(await directory("rootfs", "a", "")),
        volumes: [volume(source)],
      });
      assert.throws(() => writeFileSync(daemon.path(`${tree.view}/web/volume-3/file`), ""), { code: "EROFS" });
    } finally {
      await os.mounts.unmount(source);
    }
  });

  it("shares mounts below a source, without set-user-id and devices on the host", async () => {
    const source = await directory("data", "a", "");
    await mkdir(`${source}/inner`, { recursive: true });
    await os.mounts.mount({ source: "tmpfs", target: `${source}/inner`, type: "tmpfs", flags: [] });
    try {
      writeFileSync(`${source}/inner/deep`, "seen");
      await shareContainer(os, tree, {
        containerId: "web",
        rootfs: shared(await directory("rootfs", "a", "")),
        volumes: [volume(source)],
      });
      assert.equal(readFileSync(daemon.path(`${tree.view}/web/volume-3/inner/deep`), "utf8"), "seen");
      for (const mount of await os.mounts.table()) {
        if (!mount.target.startsWith(`${tree.view}/web/`)) continue;
        assert.ok(mount.options.includes("nosuid") && mount.options.includes("nodev"), JSON.stringify(mount));
      }
    } finally {
      await os.mounts.unmount(`${source}/inner`);
    }
  });

  it("shares a single file", async () => {
    const source = path.join(await directory("data", "hosts", "127.0.0.1 localhost"), "hosts");
    const volumes = [volume(source, { kind: "file" })];
    await shareContainer(os, tree, {
      containerId: "web",
      rootfs: shared(await directory("rootfs", "a", "")),
      volumes: volumes,
    });
    assert.equal(readFileSync(daemon.path(`${tree.view}/web/volume-3`), "utf8"), "127.0.0.1 localhost");
  });

  it("shares the files of every sandbox, writable only on request, under a name that no container can have", async () => {
    const [kept, written] = [await directory("kept", "file", "kept"), await directory("written", "file", "")];
    await shareSandboxMounts(os, tree, [
      { path: kept, readOnly: true },
      { path: written, readOnly: false },
    ]);
    const seen = daemon.path(`${tree.view}/sandbox-mounts`);
    assert.equal(readFileSync(`${seen}/kept/file`, "utf8"), "kept");
    assert.throws(() => writeFileSync(`${seen}/kept/file`, "changed"), { code: "EROFS" });
    writeFileSync(`${seen}/written/file`, "from the guest");
    assert.equal(readFileSync(`${written}/file`, "utf8"), "from the guest");
    await assert.rejects(
      shareContainer(os, tree, { containerId: "sandbox-mounts", rootfs: shared(kept), volumes: [] }),
      { code: "container/bad-id" },
    );
  });

  it("cannot be entered by other users", async () => {
    assert.equal((await os.files.status(paths.shared))?.mode, 0o700);
  });

  it("is removed with one unmount while a daemon still uses it", async () => {
    await shareContainer(os, tree, {
      containerId: "web",
      rootfs: shared(await directory("rootfs", "a", "")),
      volumes: [],
    });
    assert.deepEqual(await undoAll(os, journal.content.steps), []);
    assert.ok(!existsSync(paths.shared));
    assert.ok(existsSync(path.join(place, "rootfs/a")));
  });

  it("names a source that cannot be shared", async () => {
    const missing = volume(path.join(place, "missing"));
    await assert.rejects(
      shareContainer(os, tree, {
        containerId: "web",
        rootfs: shared(await directory("rootfs", "a", "")),
        volumes: [missing],
      }),
      (error) => {
        assert.ok(isKumiteError(error, "storage/failed"));
        assert.equal(error.message, `${missing.source} cannot be shared with the guest`);
        assert.ok(isSystemError(error.cause, "ENOENT"));
        return true;
      },
    );
  });
});
