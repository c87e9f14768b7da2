import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { serializeJournal } from "../persist/journal.ts";
import { containerPaths } from "../persist/paths.ts";
import { type ContainerRecord, writeRecord } from "../persist/record.ts";
import type { ShimConnection } from "../shim-client/connect.ts";
import type { ChildProcess } from "../sys/os.ts";
import { errorChain, KumiteError, messageOf } from "../util/errors.ts";
import type { VerbContext } from "./context.ts";
import { tellLostMachine } from "./lost-machine.ts";

const unreachable = new KumiteError("shim/unreachable", "it ended during the call");

describe("a killed process in the foreground", () => {
  const os = testOs();
  let root: string;
  let owner: ChildProcess;
  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), "kumite-lost-"));
    owner = await os.processes.spawn({ path: "/bin/sleep", argv: ["sleep", "1000"], env: {}, descriptors: {} });
  });
  after(async () => {
    owner.kill(9);
    await owner.exited;
    await rm(root, { recursive: true });
  });

  async function told(
    id: string,
    sizing: () => Promise<unknown>,
    facts: Partial<ContainerRecord> = {},
    meanwhile = async (_id: string) => {},
  ) {
    const paths = containerPaths(root, id);
    await mkdir(paths.directory, { recursive: true });
    const status = { phase: "running", startedMs: 0 } as const;
    const record = { id, bundle: "/b", rootfs: "/b/r", annotations: {}, createdMs: 0, status, timeline: {}, ...facts };
    await writeRecord(os, paths.state, record);
    const { pid, startTicks } = owner;
    await writeFile(paths.journal, serializeJournal({ id, token: "t", owner: { pid, startTicks }, steps: [] }));
    await meanwhile(id);
    const texts: string[] = [];
    const tellFailure = async (error: unknown): Promise<void> => {
      texts.push(...errorChain(error).map(messageOf));
    };
    const context = { os, root, tellFailure } as Partial<VerbContext> as VerbContext;
    const shim = { oci: { sizing } } as unknown as ShimConnection;
    await tellLostMachine(context, id, 137, shim);
    return texts;
  }

  it("is told nothing of while the shim serves", async () => {
    assert.deepEqual(await told("serves", async () => ({})), []);
  });

  it("is told what became of the machine, if the shim has written it down", async () => {
    const texts = await told("known", async () => ({}), { failure: "qemu was killed by signal 9" });
    assert.deepEqual(texts, ["container known: its machine is gone", "qemu was killed by signal 9"]);
  });

  it("is told that the container was removed meanwhile, if its machine went with it", async () => {
    const removed = (id: string) => rm(containerPaths(root, id).directory, { recursive: true });
    const lost = () => Promise.reject(unreachable);
    assert.deepEqual(await told("gone", lost, {}, removed), ["container gone: its machine is gone", "it was removed"]);
    assert.deepEqual(await told("of-pod", async () => ({}), {}, removed), []);
  });

  it("is told of a shim that has closed its connections and is not gone yet", async () => {
    const texts = await told("dying", async () => {
      owner.kill(9);
      throw unreachable;
    });
    assert.deepEqual(texts, ["container dying: its machine is gone", "its shim died"]);
  });
});
