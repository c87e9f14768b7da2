/** The guest agent: the first process of a VM (`/init`), or of namespaces on a host under the process driver. */
import { describeFailure } from "../sys/engine/failure.ts";
import { atStart, hold, onUncaught } from "../sys/engine/loop.ts";
import { startReaper } from "../sys/engine/reaper.ts";
import { ownStream } from "../sys/engine/stream.ts";
import { dupAbove } from "../sys/linux/file.ts";
import { limitMemory } from "../sys/linux/machine.ts";
import { exit, getpid, PR_SET_DUMPABLE, prctl, processArguments } from "../sys/linux/process.ts";
import { readFileText } from "../sys/linux/whole-file.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { Agent } from "./agent.ts";
import { BootMarks } from "./boot/boot-marks.ts";
import { raiseDescriptorLimit } from "./boot/descriptor-limit.ts";
import { openHostPort, whenHostConnected } from "./boot/host-port.ts";
import { finishMachine, loadDrivers, powerOff, prepareMachine } from "./boot/machine.ts";
import { BootRest } from "./boot/rest.ts";
import { DeviceFilters } from "./cgroup/device-filter.ts";
import { Hierarchy } from "./cgroup/hierarchy.ts";
import { Sessions } from "./channel/sessions.ts";
import { Notices } from "./container/notices.ts";
import { ReadyProcessPlace } from "./container/ready-process.ts";
import { defaultPipeSizeBytes, readKernelParameters } from "./kernel-parameters.ts";
import { agentLog } from "./log.ts";
import { noModules } from "./modules/module-loader.ts";
import { readOptions } from "./options.ts";
import { agentPortHandler } from "./rpc/agent-port.ts";
import { agentServices } from "./rpc/services.ts";
import { Sandbox } from "./sandbox/sandbox.ts";
import { Storages } from "./storage/storages.ts";

/** The port of the agent's methods. */
const agentPort = 1024;

/**
 * Limits of the agent's own memory: a quarter of the VM's, but within these bounds. A request that needs more fails
 * instead of making the kernel look for a process to kill.
 */
const [mostMemoryBytes, leastMemoryBytes] = [128 * 1024 * 1024, 32 * 1024 * 1024];

async function runMachine(): Promise<void> {
  const bootMarks = new BootMarks();
  bootMarks.mark("kernel");
  prepareMachine();
  bootMarks.mark("file systems");
  const parameters = readKernelParameters(readFileText("/proc/cmdline"));
  const { log, wait, flush } = agentLog(parameters.logLevel);
  for (const warning of parameters.warnings) log.warn(warning);
  try {
    const modules = loadDrivers();
    bootMarks.mark("drivers");
    const sessions = new Sessions();
    const agent: Agent = {
      log,
      flushLog: flush,
      modules,
      notices: new Notices(log),
      ownsKernel: true,
      hierarchy: new Hierarchy(),
      deviceFilters: new DeviceFilters(),
      channel: sessions,
      ports: sessions,
      storages: new Storages({ modules, ownsKernel: true, log, hostRoot: "/" }),
      readyProcess: new ReadyProcessPlace(),
      sandbox: new Sandbox(),
      bootMarks,
      bootRest: new BootRest(() => finishBoot(agent)),
      pipeSizeBytes: parameters.containerPipeSizeBytes,
      missingController: "refuse",
    };
    begin(agent, sessions);
    if (parameters.debugConsole !== undefined) {
      const { offerDebugConsole } = await import("./debug/debug-console.ts");
      agent.bootRest.finish();
      offerDebugConsole({ log, serve: (port, handler) => sessions.serve(port, handler) }, parameters.debugConsole);
    }
    if (parameters.ahead.length > 0) {
      const { workAhead } = await import("./boot/ahead.ts");
      agent.bootRest.finish();
      await workAhead(agent, parameters);
      if (parameters.logLevel !== "debug" && parameters.debugConsole === undefined) wait();
    }
    await serveMachine(sessions, await openHostPort(), log);
  } catch (error) {
    giveUp(log, error);
  }
}

/** The agent cannot serve anybody, so the VM ends. */
function giveUp(log: Logger, error: unknown): void {
  log.error("the agent cannot run", { error: messageOf(error) });
  powerOff();
}

/** The postponed part of a VM's boot; see `BootRest`. */
function finishBoot(agent: Agent): void {
  const { log, modules, bootMarks } = agent;
  try {
    prepareForChildren();
    finishMachine(modules);
    prepareHierarchy(agent);
    bootMarks.mark("container file systems");
  } catch (error) {
    giveUp(log, error);
    throw error;
  }
}

/** Never ends: a host that disconnected may come back to the same port. */
async function serveMachine(sessions: Sessions, port: number, log: Logger): Promise<never> {
  // The kernel panics if the first process exits, so keep the event loop running.
  hold();
  for (;;) {
    await whenHostConnected(port);
    // Each session gets a duplicate; the port itself is never closed.
    const reason = await sessions.run(ownStream(dupAbove(port, 0)));
    log.info("the session with the host has ended", { reason: reason.message });
  }
}

async function runProcess(channelFd: number): Promise<void> {
  const { log, flush } = agentLog("info");
  const { hostRoot, prepareProcessMode } = await import("./boot/process-mode.ts");
  try {
    prepareProcessMode(getpid(), channelFd);
  } catch (error) {
    log.error("the agent cannot run", { error: messageOf(error) });
    exit(1);
  }
  const sessions = new Sessions();
  const agent: Agent = {
    log,
    flushLog: flush,
    modules: noModules,
    notices: new Notices(log),
    ownsKernel: false,
    hierarchy: new Hierarchy(),
    deviceFilters: new DeviceFilters(),
    channel: sessions,
    ports: sessions,
    storages: new Storages({ modules: noModules, ownsKernel: false, log, hostRoot }),
    readyProcess: new ReadyProcessPlace(),
    sandbox: new Sandbox(),
    bootMarks: new BootMarks(),
    bootRest: new BootRest(),
    pipeSizeBytes: defaultPipeSizeBytes,
    missingController: "tell",
  };
  prepareForChildren();
  prepareHierarchy(agent);
  begin(agent, sessions);
  // The other end belongs to one host, which has disconnected now.
  await sessions.run(ownStream(channelFd));
  flush();
  exit(0);
}

/** The part that is the same in a VM and under the process driver. */
function begin(agent: Agent, sessions: Sessions): void {
  const { log } = agent;
  onUncaught((error, origin) => log.error("internal error", { origin, error: describeFailure(error) }));
  limitMemory(mostMemoryBytes, leastMemoryBytes);
  sessions.serve(agentPort, agentPortHandler(agentServices(agent), log));
}

/** Must be called before the first child is started. */
function prepareForChildren(): void {
  startReaper();
  raiseDescriptorLimit();
  // A fork carries the agent's memory into a container until it executes the program. No process there may read that
  // memory.
  prctl(PR_SET_DUMPABLE, 0);
}

function prepareHierarchy({ hierarchy, log }: Agent): void {
  const missing = hierarchy.prepare();
  if (missing.length > 0) log.warn("some cgroup controllers are missing", { missing });
}

async function main(): Promise<void> {
  const [, ...argv] = processArguments();
  const mode = readOptions(argv, getpid());
  switch (mode.kind) {
    case "machine":
      return runMachine();
    case "process":
      return runProcess(mode.channelFd);
  }
}

atStart(main);
