/**
 * The contract that every driver must keep. Each driver has a test that runs this suite; a difference between drivers
 * is a capability, never an exception here.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, before, beforeEach, describe, it } from "node:test";
import { makeTree } from "../../test/support/bundle.ts";
import { succeed } from "../../test/support/command.ts";
import { eventually } from "../../test/support/eventually.ts";
import { guardAgainstLeftOvers } from "../../test/support/left-overs.ts";
import type { AgentClient } from "../agent-client/agent-client.ts";
import { type AgentSession, agentGreeting, leaveSession } from "../agent-client/agent-session.ts";
import { type ConnectOptions, connectAgent } from "../agent-client/connect.ts";
import { firstCallOf } from "../agent-client/first-call.ts";
import { defaultSpec } from "../oci/default-spec.ts";
import type { OciSpec } from "../oci/spec.ts";
import { removeCgroup } from "../persist/undo-cgroup.ts";
import { guestSharedDirectory } from "../storage/guest-paths.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import type { Driver, DriverStep, RunningVm, StartContext } from "./driver.ts";
import type { GuestFiles, SharedDirectory, VmSpec } from "./spec.ts";

export interface DriverUnderTest {
  readonly os: Os;
  readonly driver: Driver;
  readonly guest: GuestFiles;
}

const sigkill = signalNumbers.SIGKILL;
/** Enough for an emulated guest on a busy host. */
const bootTimeoutMs = 180_000;

/** A call that the driver made to its caller. */
type Told =
  | DriverStep
  | { readonly kind: "made"; readonly key: string; readonly pid: number; readonly startTicks: number };

export function driverSuite(name: string, subject: () => DriverUnderTest): void {
  describe(`${name} keeps the driver contract`, () => {
    let directory: string;
    let cgroups: string[];
    const told: Told[] = [];

    before(() => sweepDeadSuites(subject().os));
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), `${placePrefix}${process.pid}-`));
      mkdirSync(join(directory, "vm"));
      mkdirSync(join(directory, "shared"));
      cgroups = makeCgroups();
    });
    afterEach(async () => {
      // Fails if something is still mounted.
      await subject().os.files.removeTree(directory);
      // Also removes cgroups that a guest on the host's kernel made below them.
      for (const cgroup of cgroups) await removeCgroup(subject().os, cgroup, new AbortController().signal);
    });
    guardAgainstLeftOvers(() => ({ directories: [directory] }));

    function spec(changes: Partial<VmSpec> = {}): VmSpec {
      return {
        id: `driver-${name}`,
        directory: join(directory, "vm"),
        vcpus: 1,
        memoryMiB: 256,
        guest: subject().guest,
        kernelParameters: [],
        sharedDirectories: [{ tag: "kataShared", path: join(directory, "shared") }],
        cgroups,
        ...changes,
      };
    }

    function context(changes: Partial<StartContext> = {}): StartContext {
      told.length = 0;
      return {
        willMake: async (step) => void told.push(step),
        made: async (key, process) => void told.push({ kind: "made", key, ...process }),
        signal: new AbortController().signal,
        log: () => {},
        ...changes,
      };
    }

    /** A VM that runs until the end of a test. */
    async function started(): Promise<RunningVm & AsyncDisposable> {
      const vm = await subject().driver.start(spec(), context());
      return Object.assign(vm, { [Symbol.asyncDispose]: () => vm.stop() });
    }

    it("connects the agent, which answers", async () => {
      await using vm = await started();
      const agent = await agentOf(vm);
      assert.match(agent.version, /\d/);
      agent.close();
      assert.equal(vm.plug !== undefined, subject().driver.capabilities.hotplug.length > 0);
    });

    it("runs a container from a directory that was bound below the shared one after the start", async () => {
      const [shared, tree] = [join(directory, "shared"), join(directory, "tree")];
      await makeTree(tree);
      mkdirSync(join(shared, "rootfs"));
      await using _ = await bind(shared, shared, "shared");
      await using vm = await started();
      await using _late = await bind(tree, join(shared, "rootfs"), "private");
      assert.equal(await statusOfShell(vm, { tag: "kataShared", path: shared }, "exit 42"), 42);
    });

    it("announces every process before it exists and right after, and starts it in the VM's cgroups", async () => {
      await using vm = await started();
      const processes = told.filter((step) => step.kind === "made");
      assert.ok(processes.some(({ pid }) => pid === vm.pid));
      for (const { key, pid, startTicks } of processes) {
        const announced = told.findIndex((step) => step.kind === "process" && step.key === key);
        assert.ok(announced >= 0 && announced < told.findIndex((step) => step.kind === "made" && step.key === key));
        assert.equal((await subject().os.processes.info(pid))?.startTicks, startTicks);
        for (const cgroup of cgroups) assert.ok(membersOf(cgroup).includes(pid), `${key} is not in ${cgroup}`);
      }
    });

    it("shows the sandbox's id in the process list", async () => {
      await using vm = await started();
      const argv = (await subject().os.processes.info(vm.pid))?.argv ?? [];
      assert.ok(
        argv.some((word) => word.includes(`driver-${name}`)),
        argv.join(" "),
      );
    });

    it("can be stopped repeatedly, and reports the end once", async () => {
      const vm = await subject().driver.start(spec(), context());
      await Promise.all([vm.stop(), vm.stop()]);
      await vm.stop();
      assert.deepEqual(await vm.exited, { reason: "stopped" });
      await allEmpty(cgroups);
    });

    it("reports a VM that is killed, by the process that died first", async () => {
      const vm = await subject().driver.start(spec(), context());
      process.kill(vm.pid, sigkill);
      const exit = await vm.exited;
      assert.equal(exit.reason, "died");
      assert.ok(exit.reason === "died" && exit.detail.includes("signal 9"), JSON.stringify(exit));
      await allEmpty(cgroups);
      await vm.stop();
      assert.equal((await vm.exited).reason, "died");
    });

    it("ends the agent's channel with the VM", async () => {
      const vm = await subject().driver.start(spec(), context());
      const read = vm.agentChannel.read();
      await vm.stop();
      assert.equal(await read, undefined);
    });

    it("accepts a directory whose path is longer than a socket's address", async () => {
      const deep = join(directory, "d".repeat(120));
      mkdirSync(deep);
      const vm = await subject().driver.start(spec({ directory: deep }), context());
      await vm.stop();
      rmSync(deep, { recursive: true });
    });

    it("refuses to save VMs, or restores one several times, with nothing writable in common", async (t) => {
      const memoryMiB = 256;
      const memory = join(directory, "memory");
      await succeed(["truncate", `--size=${memoryMiB}M`, memory]);
      const backing = (shared: boolean) => ({ kind: "file", path: memory, shared }) as const;
      const shape = { memoryMiB, sharedDirectories: [] };
      const original = spec({ ...shape, memoryBacking: backing(true) });
      const { driver } = subject();
      if (!driver.capabilities.snapshots) {
        const refused = (error: unknown) => isKumiteError(error, "hypervisor/unsupported");
        const clone = spec({ ...shape, memoryBacking: backing(false), restoreFrom: memory });
        await assert.rejects(driver.start(clone, context()), refused);
        assert.deepEqual(told, []);
        t.diagnostic("saves no machines, and refuses to");
        return;
      }
      const saved = await save(await driver.start(original, context()), join(directory, "s"));
      const state = join(directory, "state");
      writeFileSync(state, saved.state);
      const before = await sum(memory);
      for (const hostname of ["first", "second"]) {
        // The second one is asked for its sandbox before anybody is connected to it.
        const ahead = hostname === "first" ? undefined : firstCallOf(saved.session, { sandboxId: hostname, hostname });
        const agentHears = agentGreeting() + (ahead?.text ?? "");
        const clone = spec({ ...shape, memoryBacking: backing(false), restoreFrom: state, agentHears });
        const vm = await driver.start(clone, context());
        const agent = await agentOf(vm, {
          resumes: ahead?.session ?? saved.session,
          sent: ahead?.sent,
          knownVersion: "",
        });
        // This would fail if the sandbox of another clone were visible here.
        await agent.createSandbox({ sandboxId: hostname, hostname });
        agent.close();
        await vm.stop();
      }
      assert.equal(await sum(memory), before);
    });

    it("leaves nothing when a start is aborted at any step", async () => {
      const { driver } = subject();
      const whole = await driver.start(spec(), context());
      await whole.stop();
      const steps = told.length;
      for (let last = 1; last <= steps; last += 1) {
        const controller = new AbortController();
        let count = 0;
        const step = async () => {
          count += 1;
          if (count === last) controller.abort();
        };
        const starting = driver.start(spec(), context({ willMake: step, made: step, signal: controller.signal }));
        await assert.rejects(starting, (error) => isKumiteError(error, "aborted"), `aborted at step ${last}`);
        await allEmpty(cgroups);
      }
    });

    it("leaves nothing when its caller cannot record a step", async () => {
      const full = () => Promise.reject(new Error("no space"));
      await assert.rejects(subject().driver.start(spec(), context({ made: full })), /no space/);
      await allEmpty(cgroups);
    });

    it("names a missing file before anything is created", async () => {
      const nowhere = join(directory, "nowhere");
      const guest: GuestFiles = { kernel: nowhere, initrd: nowhere, agent: nowhere };
      await assert.rejects(subject().driver.start(spec({ guest }), context()), (error) => {
        assert.ok(isKumiteError(error, "hypervisor/not-found"), String(error));
        assert.ok(error.message.includes(nowhere) && error.hint !== undefined);
        return true;
      });
      assert.deepEqual(told, []);
    });
  });
}

/** The version 2 hierarchy, where guests make their cgroups, and the one with pids of version 1, if there is one. */
function hierarchies(): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" - "));
  const wanted = mounts.filter(([, after = ""]) => after.startsWith("cgroup2 ") || /^cgroup .*\bpids\b/.test(after));
  return wanted.map(([before = ""]) => before.split(" ")[4] ?? "");
}

function makeCgroups(): string[] {
  return hierarchies().map((hierarchy) => {
    const path = join(hierarchy, `${placePrefix}${process.pid}`);
    mkdirSync(path);
    return path;
  });
}

function membersOf(cgroup: string): number[] {
  return readFileSync(join(cgroup, "cgroup.procs"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
}

/** A process that has ended stays a member until the kernel has cleaned it up. */
async function allEmpty(cgroups: readonly string[]): Promise<void> {
  const members = () => cgroups.flatMap(membersOf);
  await eventually(`${cgroups.join()} are empty`, () => (members().length === 0 ? true : undefined));
}

/** Saves the VM, whose memory stays in its file, and stops it. */
async function save(vm: RunningVm, socket: string): Promise<{ state: Uint8Array; session: AgentSession }> {
  const { signal } = new AbortController();
  const { snapshots } = vm;
  try {
    assert.ok(snapshots !== undefined);
    const session = await leaveSession(vm.agentChannel, { signal, timeoutMs: bootTimeoutMs });
    return { state: await snapshots.save(socket, signal), session };
  } finally {
    await vm.stop();
  }
}

async function sum(file: string): Promise<string> {
  return (await succeed(["sha256sum", file])).stdout;
}

type Resuming = Pick<ConnectOptions, "resumes" | "sent" | "knownVersion">;

async function agentOf(vm: RunningVm, resuming: Resuming = {}): Promise<AgentClient> {
  const { signal } = new AbortController();
  try {
    return await connectAgent(vm.agentChannel, { signal, timeoutMs: bootTimeoutMs, ...resuming });
  } catch (error) {
    throw new Error(`no answer; the console says:\n${vm.consoleTail(20).join("\n")}`, { cause: error });
  }
}

/** Runs a container on `rootfs` in the shared directory. */
async function statusOfShell(vm: RunningVm, shared: SharedDirectory, script: string): Promise<number> {
  const agent = await agentOf(vm);
  const { driverOptions: _, ...share } = vm.guestShare(shared);
  await agent.createSandbox({
    sandboxId: "one",
    storages: [{ ...share, options: [...share.options], mountPoint: guestSharedDirectory }],
  });
  const { process, ...rest } = defaultSpec();
  const spec: OciSpec = {
    ...rest,
    process: { ...process, terminal: false, args: ["/bin/sh", "-c", script] },
    root: { path: `${guestSharedDirectory}/rootfs` },
  };
  await agent.createContainer({ containerId: "one", execId: "one", ...agent.specFields(spec) });
  await agent.startContainer({ containerId: "one" });
  const { status } = await agent.waitProcess({ containerId: "one", execId: "one" });
  await vm.stop();
  return status;
}

const placePrefix = "kumite-driver-";

/** Removes mounts, directories and cgroups of suites that were killed. */
async function sweepDeadSuites(os: Os): Promise<void> {
  for (const cgroup of hierarchies().flatMap(ofDeadSuites)) await removeCgroup(os, cgroup, AbortSignal.timeout(10_000));
  for (const directory of ofDeadSuites(tmpdir())) {
    const mounted = (await os.mounts.table()).filter(({ target }) => target.startsWith(`${directory}/`));
    for (const { target } of mounted.reverse()) await succeed(["umount", "--lazy", target]);
    await os.files.removeTree(directory);
  }
}

/** The names contain the pid of their suite. */
function ofDeadSuites(parent: string): string[] {
  const dead = readdirSync(parent).filter((name) => {
    const owner = name.startsWith(placePrefix) ? /^\d+/.exec(name.slice(placePrefix.length))?.[0] : undefined;
    return owner !== undefined && !existsSync(`/proc/${owner}`);
  });
  return dead.map((name) => join(parent, name));
}

/** A bind mount that lasts until it is disposed. */
async function bind(source: string, target: string, propagation: "shared" | "private"): Promise<AsyncDisposable> {
  await succeed(["mount", "--bind", source, target]);
  await succeed(["mount", `--make-${propagation}`, target]);
  return { [Symbol.asyncDispose]: async () => void (await succeed(["umount", "--lazy", target])) };
}
