import assert from "node:assert/strict";
import { it } from "node:test";
import type { AgentClient } from "./agent-client.ts";
import { renamedAgent } from "./renamed.ts";

it("a container that has another name in the guest is requested by that name, and answers have the host's", async () => {
  const asked: unknown[] = [];
  const agent = {
    version: "1",
    waitProcess: async (request: object) => {
      asked.push(request);
      return { status: 0 };
    },
    getOOMEvent: async () => ({ containerId: "old" }),
    dial: async (port: number) => {
      asked.push(port);
    },
  } as unknown as AgentClient;
  const renamed = renamedAgent(agent, { onHost: "new", inGuest: "old" });
  await renamed.waitProcess({ containerId: "new", execId: "new" });
  await renamed.waitProcess({ containerId: "other", execId: "x" });
  await renamed.dial(7);
  assert.deepEqual(asked, [{ containerId: "old", execId: "old" }, { containerId: "other", execId: "x" }, 7]);
  assert.equal((await renamed.getOOMEvent({})).containerId, "new");
  assert.equal(renamed.version, "1");
});
