/** Takes plugged resources online, on a copy of the kernel's files with only what matters. */
import { scratch } from "../../sys/contract/scratch.ts";
import { engineOs } from "../../sys/engine/engine-os.ts";
import { assert } from "../../sys/engine/testing/assert.ts";
import { describe, it } from "../../sys/engine/testing/suite.ts";
import { dirName } from "../../util/path.ts";
import { startAgent } from "../testing/agent.testing.ts";
import { offlineCpus, onlineCpus } from "./online-cpus.ts";
import { onlineMemory, probeMemory } from "./online-memory.ts";

const os = engineOs();

/** A directory with the structure of /sys/devices/system. */
async function systemOf(files: Readonly<Record<string, string>>) {
  const directory = await scratch(os);
  const add = async (name: string, text: string): Promise<void> => {
    await os.files.makeDirs(dirName(`${directory.path}/${name}`), 0o700);
    await os.files.write(`${directory.path}/${name}`, text);
  };
  for (const [name, text] of Object.entries(files)) await add(name, text);
  return {
    path: directory.path,
    add,
    // Writing to a kernel file replaces its content.
    read: async (name: string) => (await os.files.readText(`${directory.path}/${name}`)).trim(),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const never = new AbortController().signal;

describe("vCPUs that were plugged in", () => {
  it("are switched on up to the total, starting with low numbers", async () => {
    await using system = await systemOf({
      "cpu/cpu0/uevent": "",
      "cpu/cpu10/online": "0",
      "cpu/cpu2/online": "0",
      "cpu/cpu1/online": "1",
    });
    await onlineCpus(2, never, system.path);
    assert.equal(await system.read("cpu/cpu2/online"), "0");
    await onlineCpus(3, never, system.path);
    assert.equal(await system.read("cpu/cpu2/online"), "1");
    assert.equal(await system.read("cpu/cpu10/online"), "0");
  });

  it("are switched off beyond a total, starting with high numbers", async () => {
    await using system = await systemOf({
      "cpu/cpu0/uevent": "",
      "cpu/cpu1/online": "1",
      "cpu/cpu2/online": "1",
      "cpu/cpu10/online": "1",
    });
    offlineCpus(2, system.path);
    const states = [1, 2, 10].map((number) => system.read(`cpu/cpu${number}/online`));
    assert.deepEqual(await Promise.all(states), ["1", "0", "0"]);
  });

  it("are waited for until the kernel has found them", async () => {
    await using system = await systemOf({ "cpu/cpu0/uevent": "" });
    const waiting = onlineCpus(2, never, system.path);
    await system.add("cpu/cpu1/online", "0");
    await waiting;
    assert.equal(await system.read("cpu/cpu1/online"), "1");
  });

  it("are no longer waited for when the caller gave up", async () => {
    await using system = await systemOf({ "cpu/cpu0/uevent": "" });
    const abort = new AbortController();
    const waiting = onlineCpus(2, abort.signal, system.path);
    abort.abort();
    await assert.rejects(waiting, { code: "aborted" });
  });
});

describe("memory that was plugged in", () => {
  it("is switched on, including blocks that are found later", async () => {
    await using system = await systemOf({
      "memory/auto_online_blocks": "",
      "memory/memory0/online": "1",
      "memory/memory32/online": "0",
      "memory/memory33/online": "0",
    });
    onlineMemory(system.path);
    assert.equal(await system.read("memory/auto_online_blocks"), "online");
    for (const block of [0, 32, 33]) assert.equal(await system.read(`memory/memory${block}/online`), "1");
  });

  it("is absent with a kernel that does not support it", () => {
    onlineMemory("/nonexistent");
  });

  it("is announced by its address if the kernel does not find it", async () => {
    await using system = await systemOf({ "memory/probe": "" });
    probeMemory([0x1_4000_0000n], system.path);
    assert.equal(await system.read("memory/probe"), "0x140000000");
  });
});

describe("an agent on the host's own kernel", () => {
  it("switches nothing of the host on or off", async () => {
    await using agent = await startAgent();
    await assert.rejects(agent.client.onlineCPUMem({ nbCpus: 1, wait: true }), { code: "agent/denied" });
    await assert.rejects(agent.client.memHotplugByProbe({ memHotplugProbeAddr: [1n] }), { code: "agent/denied" });
  });
});
