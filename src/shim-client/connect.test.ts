import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { TaskDefinition } from "../protocol/gen/containerd/task/shim.ts";
import { serve } from "../protocol/ttrpc/server.ts";
import { type TtrpcImplementation, ttrpcService } from "../protocol/ttrpc/service-table.ts";
import { TtrpcError } from "../protocol/ttrpc/status.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import type { ByteStream } from "../sys/os.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { connectShim, type ShimConnection } from "./connect.ts";

describe("a connection to a shim", () => {
  const os = nodeOs({ installRoot: "/nowhere" });
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "kumite-connect-"));
  });
  after(() => rm(directory, { recursive: true }));

  let count = 0;
  /** Runs `use` against a shim that gives the given answer. */
  async function against(
    task: (connection: ByteStream) => TtrpcImplementation<typeof TaskDefinition>,
    use: (shim: ShimConnection) => Promise<void>,
  ): Promise<void> {
    const socket = join(directory, `${++count}`);
    const listener = await os.sockets.listen(socket, 0o600);
    const serving = (async () => {
      for await (const connection of listener) serve(connection, [ttrpcService(TaskDefinition, task(connection))]);
    })();
    const shim = await connectShim(os, socket, "web");
    try {
      await use(shim);
    } finally {
      shim.close();
      await listener.close();
      await serving;
    }
  }

  it("carries calls", () =>
    against(
      () => ({ wait: ({ id }) => ({ exitStatus: id.length }) }),
      async (shim) => assert.equal((await shim.task.wait({ id: "web" })).exitStatus, 3),
    ));

  it("fails if nobody serves the socket, and says that the shim is gone", async () => {
    const dead = join(directory, "dead");
    await writeFile(dead, "");
    for (const socket of [dead, join(directory, "missing")]) {
      await assert.rejects(connectShim(os, socket, "web"), {
        code: "shim/unreachable",
        message: new RegExp(`shim of container web cannot be reached.*${socket}`),
        hint: /delete --force web/,
      });
    }
  });

  it("returns the shim's own error completely", () =>
    against(
      () => ({
        start: () => {
          throw new KumiteError("agent/timeout", "the agent does not answer", {
            phase: "agent.connect",
            hint: "wait",
            data: { console: ["last words"] },
          });
        },
      }),
      (shim) =>
        assert.rejects(shim.task.start({ id: "web" }), (error) => {
          assert.ok(isKumiteError(error, "agent/timeout"));
          assert.deepEqual([error.phase, error.hint, error.data.console], ["agent.connect", "wait", ["last words"]]);
          return true;
        }),
    ));

  it("returns the text of an error that is not ours", () =>
    against(
      () => ({
        kill: () => {
          throw new TtrpcError(5, "no such thing");
        },
      }),
      (shim) => assert.rejects(shim.task.kill({ id: "web" }), { code: "internal", message: "no such thing" }),
    ));

  it("that breaks during a call says that the shim is gone", () =>
    against(
      (connection) => ({
        wait: () => {
          connection.close();
          return new Promise(() => {});
        },
      }),
      async (shim) => {
        await assert.rejects(shim.task.wait({ id: "web" }), {
          code: "shim/unreachable",
          message: /it ended during the call/,
        });
        assert.ok(isKumiteError(await shim.closed, "protocol/closed"));
      },
    ));
});
