/**
 * What every driver must do, whatever its machines are made of. Run by a test of each driver; a difference between
 * drivers is a capability, never an exception here.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { guardAgainstLeftOvers } from "../../test/support/left-overs.ts";
import { connectAgent } from "../agent-client/connect.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
import type { Driver, DriverStep, RunningVm, StartContext } from "./driver.ts";
import type { GuestFiles, VmSpec } from "./spec.ts";

export interface DriverUnderTest {
  readonly os: Os;
  readonly driver: Driver;
  readonly guest: GuestFiles;
}

const sigkill = 9;
/** An emulated guest on a busy host. */
const bootTimeoutMs = 60_000;

/** One thing that the driver told its caller. */
type Told =
  | DriverStep
  | { readonly kind: "made"; readonly key: string; readonly pid: number; readonly startTicks: number };

export function driverSuite(name: string, subject: () => DriverUnderTest): void {
  describe(`${name} keeps the driver contract`, () => {
    let directory: string;
    let cgroup: string;
    const told: Told[] = [];

    before(() => {
      directory = mkdtempSync(join(tmpdir(), "kumite-driver-"));
      mkdirSync(join(directory, "vm"));
      mkdirSync(join(directory, "shared"));
      cgroup = makeCgroup();
    });
    after(() => {
      rmSync(directory, { recursive: true });
      rmdirSync(cgroup);
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
        cgroups: [cgroup],
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

    it("connects the agent, which answers", async () => {
      const vm = await subject().driver.start(spec(), context());
      try {
        const { signal } = new AbortController();
        const agent = await connectAgent(vm.agentChannel, { signal, timeoutMs: bootTimeoutMs });
        assert.match(agent.version, /\d/, describeConsole(vm));
        agent.close();
      } finally {
        await vm.stop();
      }
    });

    it("tells of every process before it exists and right after, and bears it in the cgroups of the machine", async () => {
      const vm = await subject().driver.start(spec(), context());
      try {
        const processes = told.filter((step) => step.kind === "made");
        assert.ok(processes.some(({ pid }) => pid === vm.pid));
        for (const { key, pid, startTicks } of processes) {
          const announced = told.findIndex((step) => step.kind === "process" && step.key === key);
          assert.ok(announced >= 0 && announced < told.findIndex((step) => step.kind === "made" && step.key === key));
          assert.equal((await subject().os.processes.info(pid))?.startTicks, startTicks);
          assert.ok(membersOf(cgroup).includes(pid), `${key} is not in ${cgroup}`);
        }
      } finally {
        await vm.stop();
      }
    });

    it("shows the sandbox's id in the process list", async () => {
      const vm = await subject().driver.start(spec(), context());
      try {
        const argv = (await subject().os.processes.info(vm.pid))?.argv ?? [];
        assert.ok(
          argv.some((word) => word.includes(`driver-${name}`)),
          argv.join(" "),
        );
      } finally {
        await vm.stop();
      }
    });

    it("stops as often as it is asked to, and says so once", async () => {
      const vm = await subject().driver.start(spec(), context());
      await Promise.all([vm.stop(), vm.stop()]);
      await vm.stop();
      assert.deepEqual(await vm.exited, { reason: "stopped" });
      assert.deepEqual(membersOf(cgroup), []);
    });

    it("reports a machine that is killed, by the process that died first", async () => {
      const vm = await subject().driver.start(spec(), context());
      process.kill(vm.pid, sigkill);
      const exit = await vm.exited;
      assert.equal(exit.reason, "died");
      assert.ok(exit.reason === "died" && exit.detail.includes("signal 9"), JSON.stringify(exit));
      assert.deepEqual(membersOf(cgroup), []);
      await vm.stop();
      assert.equal((await vm.exited).reason, "died");
    });

    it("ends the agent's channel with the machine", async () => {
      const vm = await subject().driver.start(spec(), context());
      const read = vm.agentChannel.read();
      await vm.stop();
      assert.equal(await read, undefined);
    });

    it("leaves nothing when a start is aborted, whatever it was about to make", async () => {
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
        assert.deepEqual(membersOf(cgroup), [], `aborted at step ${last} of ${steps}`);
      }
    });

    it("leaves nothing when its caller cannot write a step down", async () => {
      const full = () => Promise.reject(new Error("no space"));
      await assert.rejects(subject().driver.start(spec(), context({ made: full })), /no space/);
      assert.deepEqual(membersOf(cgroup), []);
    });

    it("names the file that is missing, before anything is made", async () => {
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

/** Below whatever hierarchy this host has. */
function makeCgroup(): string {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" - "));
  const pids = mounts.find(([, after = ""]) => after.startsWith("cgroup2 ") || /^cgroup .*\bpids\b/.test(after));
  if (pids?.[0] === undefined) throw new Error("no cgroup hierarchy is mounted");
  const path = join(pids[0].split(" ")[4] ?? "", `kumite-driver-${process.pid}`);
  mkdirSync(path);
  return path;
}

function membersOf(cgroup: string): number[] {
  return readFileSync(join(cgroup, "cgroup.procs"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
}

function describeConsole(vm: RunningVm): string {
  return `console:\n${vm.consoleTail(20).join("\n")}`;
}
