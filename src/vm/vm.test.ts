/** What `Vm` asks of the machine and the agent, and how it counts. For real VMs see `vm-suite.ts`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { AgentClient } from "../agent-client/agent-client.ts";
import type { MachinePlug } from "../hypervisor/plug.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { Vm, type VmParts } from "./vm.ts";
import { fromWire, toWire } from "./wire.ts";

const os = testOs();

/** An agent with these answers, by method; requests are recorded. */
function agentOf(asked: unknown[], answers: Readonly<Record<string, (request: unknown) => unknown>> = {}): AgentClient {
  const methods = ["onlineCPUMem", "getGuestDetails", "memHotplugByProbe", "reseedRandomDev", "setGuestDateTime"];
  const entries = methods.map((name) => [
    name,
    async (request: unknown) => {
      asked.push([name, request]);
      return answers[name]?.(request) ?? {};
    },
  ]);
  return { ...Object.fromEntries(entries), close: () => asked.push(["close"]) } as unknown as AgentClient;
}

interface World {
  readonly vm: Vm;
  readonly asked: unknown[];
  readonly logged: string[];
}

function vmWith(plug: Partial<MachinePlug>, answers: Parameters<typeof agentOf>[1] = {}): World {
  const asked: unknown[] = [];
  const logged: string[] = [];
  const details = () => ({ memBlockSizeBytes: 128n * 1024n * 1024n, supportMemHotplugProbe: false });
  const parts = {
    os,
    id: "one",
    machine: { pid: 42, plug, stop: async () => void asked.push(["stop"]) },
    capabilities: { hotplug: ["vcpu", "memory"] },
    agent: agentOf(asked, { getGuestDetails: details, ...answers }),
    spec: { vcpus: 1, memoryMiB: 512 },
    log: (_: string, message: string) => logged.push(message),
  } as unknown as VmParts;
  return { vm: new Vm(parts), asked, logged };
}

const sized = (vcpus: number) => async () => ({ vcpus, maxVcpus: 4, memoryMiB: 512 });

describe("the size of a VM", () => {
  it("counts the vCPUs that were really added, and tells the guest the total once", async () => {
    const { vm, asked } = vmWith({ size: sized(1), addVcpus: async (count) => Math.min(count, 3) });
    assert.equal(await vm.addCpus(0), 0);
    assert.equal(await vm.addCpus(7), 3);
    assert.deepEqual([vm.status(), vm.vcpusToOnline], [{ pid: 42, vcpus: 4, memoryMiB: 512 }, 3]);
    await vm.onlineCpus();
    await vm.onlineCpus();
    assert.deepEqual(asked, [["onlineCPUMem", { nbCpus: 4, cpuOnly: true, wait: true }]]);
    assert.equal(vm.vcpusToOnline, 0);
  });

  it("counts what was added before an addition failed", async () => {
    const fail = new KumiteError("hypervisor/plug-failed", "only 1", { data: { added: 1 } });
    const { vm } = vmWith({ size: sized(1), addVcpus: () => Promise.reject(fail) });
    await assert.rejects(vm.addCpus(3), fail);
    assert.deepEqual([vm.status().vcpus, vm.vcpusToOnline], [2, 1]);
  });

  it("remembers what to switch on when the guest fails to", async () => {
    const { vm } = vmWith(
      { size: sized(1), addVcpus: async (count) => count },
      {
        onlineCPUMem: () => {
          throw new Error("no");
        },
      },
    );
    await vm.addCpus(1);
    await assert.rejects(vm.onlineCpusAndMemory(), /no/);
    assert.equal(vm.vcpusToOnline, 1);
  });

  it("has vCPUs switched off in the guest if they cannot be unplugged, and switches these on first", async () => {
    let added = 0;
    const { vm, asked } = vmWith({
      removesVcpus: false,
      size: async () => ({ vcpus: 1 + added, maxVcpus: 4, memoryMiB: 512 }),
      addVcpus: async (count) => {
        added += count;
        return count;
      },
    });
    await vm.addCpus(2);
    await vm.removeCpus(2);
    assert.equal(vm.status().vcpus, 1);
    assert.deepEqual(asked.at(-1), ["onlineCPUMem", { nbCpus: 1, cpuOnly: true, wait: true, kumiteExact: true }]);
    await vm.addCpus(3);
    assert.deepEqual([vm.status().vcpus, added], [4, 3]);
  });

  it("unplugs vCPUs if possible, counts those really removed, and keeps the last one", async () => {
    const fail = new KumiteError("hypervisor/plug-failed", "only 1", { data: { removed: 1 } });
    let failing = true;
    const removed: number[] = [];
    const { vm } = vmWith({
      removesVcpus: true,
      size: sized(1),
      addVcpus: async (count) => count,
      removeVcpus: async (count) => {
        removed.push(count);
        if (failing) throw fail;
        return count;
      },
    });
    await vm.addCpus(3);
    await assert.rejects(vm.removeCpus(2), fail);
    assert.equal(vm.status().vcpus, 3);
    failing = false;
    await vm.removeCpus(9);
    assert.deepEqual([vm.status().vcpus, removed], [1, [2, 2]]);
  });

  it("tells the addresses of new memory, block by block, to a guest that does not find it", async () => {
    const added = [{ address: 0x1_0000_0000n, size: 256n * 1024n * 1024n }];
    const { vm, asked } = vmWith(
      { resizeMemory: async () => ({ memoryMiB: 768, added }) },
      { getGuestDetails: () => ({ memBlockSizeBytes: 128n * 1024n * 1024n, supportMemHotplugProbe: true }) },
    );
    await vm.addMemory(200);
    assert.equal(vm.status().memoryMiB, 768);
    assert.deepEqual(asked.at(-1), ["memHotplugByProbe", { memHotplugProbeAddr: [0x1_0000_0000n, 0x1_0800_0000n] }]);
  });

  it("is not affected by a guest that claims blocks which no kernel has", async () => {
    let block: number | undefined;
    const { vm } = vmWith(
      {
        resizeMemory: async ({ blockMiB }) => {
          block = blockMiB;
          return { memoryMiB: 600, added: [] };
        },
      },
      { getGuestDetails: () => ({ memBlockSizeBytes: 2n ** 63n, supportMemHotplugProbe: false }) },
    );
    await vm.addMemory(88);
    assert.equal(block, 0);
  });

  it("seeds with 512 bytes once, sets the host's time, and reports a failed seed", async () => {
    const { vm, asked, logged } = vmWith(
      {},
      {
        reseedRandomDev: () => {
          throw new Error("no entropy");
        },
      },
    );
    const before = BigInt(Math.floor(os.clock.now() / 1000));
    await vm.syncTime();
    await assert.rejects(vm.reseedRng(), /no entropy/);
    assert.match(logged.join(), /not seeded: no entropy/);
    const [[, time], [, seed]] = asked as [[string, { Sec: bigint }], [string, { data: Uint8Array }]];
    assert.ok(time.Sec >= before && time.Sec <= before + 60n);
    assert.equal(seed.data.length, 512);
  });

  it("can get a new owner, who alone ends the VM", async () => {
    const { vm, asked } = vmWith({ size: sized(1), addVcpus: async (count) => count });
    await vm.addCpus(1);
    const heir = vm.handOver();
    assert.deepEqual([heir.status(), heir.vcpusToOnline], [vm.status(), 1]);
    await vm.stop();
    assert.deepEqual(asked, []);
    assert.throws(() => vm.handOver(), /already been handed over/);
    await heir.stop();
    assert.deepEqual(asked, [["close"], ["stop"]]);
  });
});

describe("a VM as a message of the VM cache", () => {
  const sent = async () => {
    const { vm } = vmWith({ size: sized(3), addVcpus: async (count) => count });
    await vm.addCpus(2);
    return toWire(vm, "/run/vc/vm/one/qmp.sock");
  };

  it("is decoded as it was encoded", async () => {
    const wire = await sent();
    assert.deepEqual(fromWire(wire), {
      id: "one",
      vcpus: 3,
      memoryMiB: 512,
      vcpusToOnline: 2,
      hypervisor: {
        ID: "one",
        QmpChannelpath: "/run/vc/vm/one/qmp.sock",
        State: { Pid: 42, HotpluggedVCPUs: [{ ID: "cpu-0" }, { ID: "cpu-1" }] },
        NvdimmCount: 0,
        QemuSMP: { CPUs: 1, MaxCPUs: 4 },
      },
    });
  });

  it("is refused if it is not valid", async () => {
    const wire = await sent();
    const state = JSON.parse(wire.hypervisor) as Record<string, unknown>;
    for (const change of [
      { id: "other" },
      { cpu: 0 },
      { memory: -1 },
      { cpuDelta: 9 },
      { hypervisor: "{" },
      { hypervisor: "[]" },
      { hypervisor: JSON.stringify({ ...state, State: {} }) },
      { hypervisor: JSON.stringify({ ...state, QemuSMP: { CPUs: "1" } }) },
    ]) {
      assert.throws(
        () => fromWire({ ...wire, ...change }),
        (error) => isKumiteError(error, "protocol/violation"),
      );
    }
  });
});
