import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryKillIn } from "./memory-kills.ts";

const files: Readonly<Record<string, string>> = {
  "/v1/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
  "/v2/a/memory.events": "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n",
  "/v2/b/memory.events": "max 12\noom 1\noom_kill 0\n",
};
const read = async (path: string): Promise<string> => {
  const text = files[path];
  if (text === undefined) throw new Error("ENOENT");
  return text;
};

describe("a kill for lack of memory", () => {
  it("is detected by the counters of either version of cgroups", async () => {
    assert.match((await memoryKillIn(read, ["/pids/a", "/v1/a"])) ?? "", /used up \(\/v1\/a\/memory.oom_control\)/);
    assert.match((await memoryKillIn(read, ["/v2/a"])) ?? "", /used up \(\/v2\/a\/memory.events\)/);
    assert.equal(await memoryKillIn(read, ["/v2/b", "/v2/none"]), undefined);
    assert.equal(await memoryKillIn(read, []), undefined);
  });
});
