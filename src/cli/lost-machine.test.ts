import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { serializeJournal } from "../persist/journal.ts";
import { containerPaths } from "../persist/paths.ts";
import { type ContainerRecord, writeRecord } from "../persist/record.ts";
import type { ShimConnection } from "../shim-client/connect.ts";
import type { ChildProcess, ExitStatus } from "../sys/os.ts";
import { errorChain, KumiteError, messageOf } from "../util/errors.ts";
import type { VerbContext } from "./context.ts";
import { tellLostMachine } from "./lost-machine.ts";

const unreachable = new KumiteError("shim/unreachable", "it ended during the call");

describe("the message about a killed process in the foreground", () => {
  const os = testOs();
  let root: string;
  let owner: ChildProcess;
  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), "kumite-lost-"));
  });
  beforeEach(async () => {
    owner = await os.processes.spawn({ path: "/bin/sleep", argv: ["sleep", "1000"], env: {}, descriptors: {} });
  });
  afterEach(async () => {
    owner.kill(9);
    await owner.exited;
  });
  after(() => rm(root, { recursive: true }));

  async function told(
    id: string,
    sizing: () => Promise<unknown>,
    facts: Partial<ContainerRecord> = {},
    meanwhile = async (_id: string) => {},
    relay: ExitStatus = { kind: "exited", status: 137 },
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
    await tellLostMachine(context, id, relay, shim);
    return texts;
  }

  it("is empty while the shim serves", async () => {
    assert.deepEqual(await told("serves", async () => ({})), []);
  });

  it("says why the VM ended, if the shim has recorded it", async () => {
    const texts = await told("known", async () => ({}), { failure: "qemu was killed by signal 9" });
    assert.deepEqual(texts, ["container known: its VM has ended", "qemu was killed by signal 9"]);
  });

  it("says that the container was removed meanwhile, if its VM ended with it", async () => {
    const removed = (id: string) => rm(containerPaths(root, id).directory, { recursive: true });
    const lost = () => Promise.reject(unreachable);
    assert.deepEqual(await told("gone", lost, {}, removed), ["container gone: its VM has ended", "it was removed"]);
    assert.deepEqual(await told("of-pod", async () => ({}), {}, removed), []);
  });

  it("says that the relay was killed while the VM runs, but not after the VM's own end", async () => {
    const killed = { kind: "signalled", signal: 9 } as const;
    const texts = await told(
      "of-relay",
      async () => ({}),
      {},
      async () => {},
      killed,
    );
    assert.deepEqual(texts, ["the relay of a process in of-relay was killed by SIGKILL"]);
  });

  it("is empty while the shim is only slow", async () => {
    assert.deepEqual(await told("slow", () => Promise.reject(new KumiteError("timeout", "no answer"))), []);
  });

  for (const loss of [
    unreachable,
    new KumiteError("protocol/violation", "the stream ended in the middle of a frame"),
  ]) {
    it(`names a shim that has closed its connections (${loss.code}) and has not exited yet`, async () => {
      const texts = await told("dying", async () => {
        owner.kill(9);
        throw loss;
      });
      assert.deepEqual(texts, ["container dying: its VM has ended", "its shim died"]);
    });
  }
});
