/**
 * A hostile host attacks the agent of a real VM, whose death would end the VM. The agent survives sessions that break
 * every rule and requests that would take all of its memory, refuses meaningless requests, and continues to serve.
 * Attacks that need no VM are in `src/guest/rpc` (`hostile-requests`, `flood`).
 */
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { AgentClient } from "../../src/agent-client/agent-client.ts";
import { connectAgent } from "../../src/agent-client/connect.ts";
import { snapshotTokenLength } from "../../src/agent-client/snapshots.ts";
import { codeOf } from "../../src/guest/testing/code-of.testing.ts";
import type { RunningVm } from "../../src/hypervisor/driver.ts";
import { qemuDriver } from "../../src/hypervisor/qemu/qemu-driver.ts";
import { defaultSpec } from "../../src/oci/default-spec.ts";
import type { OciSpec } from "../../src/oci/spec.ts";
import { TtrpcConnection } from "../../src/protocol/ttrpc/connection.ts";
import { encodeHeader, frameFlag, frameType, goAwayCode } from "../../src/protocol/yamux/frame.ts";
import { guestSharedDirectory } from "../../src/storage/guest-paths.ts";
import type { ByteStream } from "../../src/sys/os.ts";
import { isKumiteError, messageOf } from "../../src/util/errors.ts";
import { makeTree } from "../support/bundle.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testInstallRoot, testOs } from "../support/node-os.ts";
import { testQemu } from "../support/qemu.ts";
import { makeTestDirectory } from "../support/test-directory.ts";
import { onlyKumite } from "../support/workplace.ts";

/** Small, so that memory that the agent takes in excess would soon be missing. */
const memoryMiB = 128;
const token = new Uint8Array(snapshotTokenLength).fill(7);
const never = new AbortController().signal;

describe("a host that attacks its VM", onlyKumite, () => {
  let directory: string;
  let vm: RunningVm;
  let agent: AgentClient;

  before(async () => {
    directory = makeTestDirectory("host");
    for (const name of ["vm", "shared"]) mkdirSync(path.join(directory, name));
    await makeTree(path.join(directory, "shared/rootfs"));
    const [kernel, initrd, program] = ["vmlinux", "initrd.img", "agent"].map((name) =>
      path.join(testInstallRoot, name),
    );
    const shared = { tag: "kataShared", path: path.join(directory, "shared") };
    vm = await qemuDriver(testOs(), testQemu).start(
      {
        id: "hostile-host",
        directory: path.join(directory, "vm"),
        vcpus: 1,
        memoryMiB,
        guest: { kernel: kernel ?? "", initrd: initrd ?? "", agent: program ?? "" },
        kernelParameters: [],
        sharedDirectories: [shared],
        cgroups: [],
      },
      { willMake: async () => {}, made: async () => {}, signal: never, log: () => {} },
    );
    agent = await connectAgent(keptOpen(vm.agentChannel), { signal: never, timeoutMs: 60_000 });
    const { options, ...share } = vm.guestShare(shared);
    const storages = [{ ...share, options: [...options], mountPoint: guestSharedDirectory }];
    await agent.createSandbox({ sandboxId: "one", storages });
  });
  after(async () => {
    await vm.stop();
    rmSync(directory, { recursive: true });
  });
  guardAgainstLeftOvers(() => ({ directories: [directory] }));

  async function works(): Promise<void> {
    const { process, ...rest } = defaultSpec();
    const args: [string, ...string[]] = ["/bin/sh", "-c", "exit 42"];
    const spec = {
      ...rest,
      process: { ...process, terminal: false, args },
      root: { path: `${guestSharedDirectory}/rootfs` },
    };
    await agent.createContainer({ containerId: "web", ...agent.specFields(spec) });
    await agent.startContainer({ containerId: "web" });
    assert.equal((await agent.waitProcess({ containerId: "web" })).status, 42);
    await agent.removeContainer({ containerId: "web" });
  }

  const sessions: Readonly<Record<string, Uint8Array>> = {
    noise: Uint8Array.from({ length: 1000 }, (_, at) => (at * 37 + 11) & 0xff),
    "a text": new TextEncoder().encode("GET / HTTP/1.1\r\nHost: agent\r\n\r\n"),
    "an opening with an even number": encodeHeader(frameType.windowUpdate, frameFlag.syn, 4, 0),
    "data for a stream that nobody opened": encodeHeader(frameType.data, 0, 4711, 0xffff_ffff),
    "a ping for a stream": encodeHeader(frameType.ping, frameFlag.syn, 9, 1),
    "a window beyond all numbers": concat(
      encodeHeader(frameType.windowUpdate, frameFlag.syn, 1, 0xffff_ffff),
      encodeHeader(frameType.windowUpdate, 0, 1, 0xffff_ffff),
    ),
    "more data than the window of a stream": concat(
      encodeHeader(frameType.windowUpdate, frameFlag.syn, 1, 0),
      encodeHeader(frameType.data, 0, 1, 0x7fff_ffff),
    ),
  };

  it("loses its session when it breaks the rules, and finds the agent's state unchanged in the next one", async () => {
    for (const [name, bytes] of Object.entries(sessions)) {
      await agent.snapshots.hold(token);
      agent.close();
      const carrier = keptOpen(vm.agentChannel);
      await carrier.write(bytes);
      await untilFarewell(carrier);
      carrier.close();
      const options = { signal: never, timeoutMs: 60_000, replacing: token };
      agent = await connectAgent(keptOpen(vm.agentChannel), options);
      assert.equal(await codeOf(agent.createSandbox({ sandboxId: "two" })), "container/exists", name);
    }
    await works();
  });

  it("gets no answer to a request that needs more memory than the agent has, and is served as before afterwards", async () => {
    const { client, close } = await raw(agent);
    const payload = new Uint8Array(1_000_000).map((_, at) => (at % 2 === 0 ? 0x22 : 0));
    for (let round = 0; round < 2; round++) {
      const answer = await client.call("grpc.AgentService", "CreateContainer", payload).then(() => "ok", messageOf);
      assert.match(answer, /^CreateContainer: the agent lacks the memory to serve a request of 1000000 bytes$/);
    }
    close();
    const kumiteOciJson = `[${"{},".repeat(400_000)}{}]`;
    const answer = await agent.createContainer({ containerId: "web", kumiteOciJson }).then(() => "ok", messageOf);
    assert.match(answer, /the agent lacks the memory/);
    await works();
  });

  it("is refused what its VM lacks, and what makes no sense", async () => {
    const cases: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
      [() => agent.setGuestDateTime({ Sec: -1n, Usec: 0n }), /-1 seconds and 0 microseconds are not a valid time/],
      [() => agent.setGuestDateTime({ Sec: 0n, Usec: 1_000_000n }), /are not a valid time/],
      [() => agent.setGuestDateTime({ Sec: 2n ** 62n, Usec: 0n }), /invalid argument/],
      [() => agent.reseedRandomDev({ data: new Uint8Array(0) }), /a seed must have 1 to 65536 bytes, not 0/],
      [() => agent.reseedRandomDev({ data: new Uint8Array(65537) }), /not 65537/],
      [() => agent.memHotplugByProbe({ memHotplugProbeAddr: [1n, 2n ** 63n] }), /./],
      [() => agent.onlineCPUMem({ nbCpus: 0, cpuOnly: true }), /neither CPUs nor memory/],
      [() => agent.addSwap({ PCIPath: [] }), /not the name of a disk/],
      [() => agent.addSwap({ PCIPath: [0xffff_ffff] }), /not the name of a disk/],
      [() => agent.addSwap({ PCIPath: new Array(1000).fill(1) }), /not the name of a disk|no disk/],
      [() => agent.getDiagnosticData({ logType: "../../etc/passwd" }), /unknown type of diagnostic data/],
      [() => agent.snapshots.rename(""), /a host name must have 1 to 64 characters, not 0/],
      [() => agent.snapshots.rename("x".repeat(65)), /not 65/],
      [() => agent.snapshots.hold(new Uint8Array(5)), /a token must have 32 bytes, not 5/],
      ...storages.map((storage) => [() => stored(storage), /./] as const),
    ];
    for (const [answer, about] of cases) {
      const error = await answer().then(
        () => undefined,
        (failure: unknown) => failure,
      );
      assert.ok(
        isKumiteError(error) && error.code !== "agent/timeout" && error.code !== "agent/unreachable",
        `${error}`,
      );
      assert.match(error.message, about);
    }
    // It waits for vCPUs that may still appear.
    const absent = agent.onlineCPUMem({ nbCpus: 0xffff_ffff, cpuOnly: true, wait: true }, { timeoutMs: 300 });
    assert.equal(await codeOf(absent), "agent/timeout");
    await works();
  });

  const stored = (storage: object): Promise<unknown> =>
    agent.createContainer({ containerId: "web", storages: [storage], ...agent.specFields(ending()) });

  it("destroys a sandbox as often as it likes", async () => {
    await Promise.all([agent.destroySandbox({}), agent.destroySandbox({}), agent.destroySandbox({})]);
    assert.equal(await codeOf(stored({ driver: "bind" })), "container/wrong-state");
    const strange = ["../../x", "", "a/b", "x".repeat(10_000)];
    for (const name of strange) {
      const kernelModules = [{ name, parameters: [] }];
      assert.equal(await codeOf(agent.createSandbox({ sandboxId: "two", kernelModules })), "agent/failed", name);
    }
    await agent.createSandbox({ sandboxId: "two" });
  });
});

/** None of these exists in the VM. */
const storages: readonly object[] = [
  { driver: "blk", source: "../../etc/passwd", mountPoint: "/run/x", fstype: "ext4" },
  { driver: "blk", source: "/dev/../etc/passwd", mountPoint: "/run/x", fstype: "ext4" },
  { driver: "blk", source: "1f.7", mountPoint: "/run/x", fstype: "ext4" },
  { driver: "scsi", source: "999999:1", mountPoint: "/run/x", fstype: "ext4" },
  { driver: "virtio-fs", source: "nowhere", mountPoint: "/run/x", fstype: "virtiofs" },
  { driver: "9p", source: "nowhere", mountPoint: "/run/x", fstype: "9p", options: ["trans=virtio"] },
  {
    driver: "ephemeral",
    fstype: "hugetlbfs",
    source: "h",
    mountPoint: "/run/x",
    options: ["pagesize=2097152", "size=1000000000000000"],
  },
  { driver: "ephemeral", fstype: "hugetlbfs", source: "h", mountPoint: "/run/x", options: ["pagesize=1", "size=-1"] },
];

/** A container that exits with 42. */
function ending(): OciSpec {
  const { process, ...rest } = defaultSpec();
  const args: [string, ...string[]] = ["/bin/sh", "-c", "exit 42"];
  return { ...rest, process: { ...process, terminal: false, args }, root: { path: `${guestSharedDirectory}/rootfs` } };
}

/** A connection of our own to the agent's port, for requests that the client does not make. */
async function raw(agent: AgentClient): Promise<{ client: TtrpcConnection; close: () => void }> {
  const client = new TtrpcConnection(await agent.dial(1024));
  return { client, close: () => client.close() };
}

/** The channel for one session: closing it does not close the channel for the next one. */
function keptOpen(channel: ByteStream): ByteStream {
  const over = new AbortController();
  return {
    read: async () =>
      channel.read(over.signal).catch((error: unknown) => (over.signal.aborted ? undefined : Promise.reject(error))),
    write: (bytes) => channel.write(bytes),
    end: async () => {},
    close: () => over.abort(),
  };
}

/** Resolves when the agent has ended the session because of an attack. */
async function untilFarewell(carrier: ByteStream): Promise<void> {
  const farewell = Buffer.from(encodeHeader(frameType.goAway, 0, 0, goAwayCode.protocolError));
  let said = Buffer.alloc(0);
  while (!said.includes(farewell)) {
    const chunk = await carrier.read();
    assert.ok(chunk !== undefined, "the channel ended");
    said = Buffer.concat([said, chunk]);
  }
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
