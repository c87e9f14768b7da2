import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import {
  findTemplate,
  listTemplates,
  lockStore,
  publishTemplate,
  removeTemplate,
  type Template,
} from "./template-store.ts";

const os = testOs();

describe("the store of templates", () => {
  let place: string;
  let store: string;
  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-store-"));
    store = path.join(place, "store");
  });
  afterEach(() => rm(place, { recursive: true }));

  const key = "00ff";
  const templateOf = (keeper: Template["keeper"]): Template => ({
    ...{ key, shape: "directory", keeper, memory: 3, state: 4, memoryMiB: 128, vcpus: 1, stateBytes: 1, takesBytes: 1 },
    ...{ createdMs: 1, buildMs: 1, agentVersion: "1" },
    session: { nextId: 3, lastPeerId: 0, streams: [] },
  });

  it("is created for root alone, and not used if others can change it, since guests start from its content", async () => {
    await (await lockStore(os, store))[Symbol.asyncDispose]();
    assert.equal((await os.files.status(store))?.mode, 0o700);
    for (const mode of [0o720, 0o702]) {
      await chmod(store, mode);
      await assert.rejects(lockStore(os, store), { code: "storage/failed", message: /only root can change/ });
    }
  });

  it("is not used if it is a symbolic link", async () => {
    await mkdir(path.join(place, "elsewhere"), { mode: 0o700 });
    await symlink(path.join(place, "elsewhere"), store);
    await assert.rejects(lockStore(os, store), { code: "storage/failed" });
  });

  it("returns no template that others could have written, or that is incomplete", async () => {
    const [memory, state] = [path.join(place, "memory"), path.join(place, "state")];
    await writeFile(memory, "");
    await truncate(memory, 128 * 1024 * 1024);
    await writeFile(state, "x");
    const descriptors = { 3: { kind: "read", path: memory }, 4: { kind: "read", path: state } } as const;
    const argv = ["kumite-keeper", "1000"];
    const keeper = await os.processes.spawn({ path: "/bin/sleep", argv, env: {}, descriptors });
    try {
      await mkdir(path.join(store, key), { recursive: true, mode: 0o700 });
      const template = templateOf(keeper);
      await publishTemplate(os, store, template);
      assert.equal((await findTemplate(os, store, key))?.key, key);
      await chmod(store, 0o777);
      assert.equal(await findTemplate(os, store, key), undefined);
      await chmod(store, 0o700);
      for (const wrong of [
        { upper: 4 },
        { upper: 9 },
        { memoryMiB: 256 },
        { stateBytes: 2 },
        { shape: "round" },
        { session: {} },
      ]) {
        await publishTemplate(os, store, { ...template, ...wrong } as Template);
        assert.equal(await findTemplate(os, store, key), undefined, JSON.stringify(wrong));
      }
    } finally {
      keeper.kill(9);
      await keeper.exited;
    }
  });

  it("recognises a keeper by its name: another process with its pid is neither trusted nor ended", async () => {
    const other = await os.processes.spawn({ path: "/bin/sleep", argv: ["sleep", "1000"], env: {}, descriptors: {} });
    try {
      await mkdir(path.join(store, key), { recursive: true });
      await publishTemplate(os, store, templateOf(other));
      assert.equal(await findTemplate(os, store, key), undefined);
      assert.deepEqual(await listTemplates(os, store), [{ key }]);
      await removeTemplate(os, store, key);
      assert.match((await os.processes.info(other.pid))?.state ?? "gone", /^[SRD]$/);
    } finally {
      other.kill(9);
      await other.exited;
    }
  });
});
