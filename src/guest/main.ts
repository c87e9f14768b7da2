/** The guest agent: first process of a virtual machine (`/init`), or of namespaces on a host for the process driver. */
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
import { defaultPipeSizeBytes, readKernelParameters } from "./kernel-parameters.ts";
import { agentLog } from "./log.ts";
import { noModules } from "./modules/module-loader.ts";
import { readOptions } from "./options.ts";
import { agentPortHandler } from "./rpc/agent-port.ts";
import { agentServices } from "./rpc/services.ts";
import { Sandbox } from "./sandbox/sandbox.ts";
import { Storages } from "./storage/storages.ts";

/** Where the host finds the agent's methods. */
const agentPort = 1024;

/**
 * What the agent itself may use: a quarter of the machine's memory, within these. A request that would need more fails,
 * before the kernel looks for somebody to kill.
 */
const [mostMemoryBytes, leastMemoryBytes] = [128 * 1024 * 1024, 32 * 1024 * 1024];

async function runMachine(): Promise<void> {
  const bootMarks = new BootMarks();
  bootMarks.mark("kernel");
  prepareMachine();
  bootMarks.mark("file systems");
  const parameters = readKernelParameters(readFileText("/proc/cmdline"));
  const log = agentLog(parameters.logLevel);
  for (const warning of parameters.warnings) log.warn(warning);
  try {
    const modules = loadDrivers();
    bootMarks.mark("drivers");
    const sessions = new Sessions();
    const agent: Agent = {
      log,
      modules,
      notices: new Notices(log),
      ownsKernel: true,
      hierarchy: new Hierarchy(),
      deviceFilters: new DeviceFilters(),
      channel: sessions,
      ports: sessions,
      storages: new Storages({ modules, ownsKernel: true, log, hostRoot: "/" }),
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
    }
    await serveMachine(sessions, await openHostPort(), log);
  } catch (error) {
    giveUp(log, error);
  }
}

/** Nobody could be served. */
function giveUp(log: Logger, error: unknown): void {
  log.error("the agent cannot run", { error: messageOf(error) });
  powerOff();
}

/** Of a machine, in its time: see `BootRest`. */
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

/** For ever: a host that went away may come back, to the same port. */
async function serveMachine(sessions: Sessions, port: number, log: Logger): Promise<never> {
  // The end of the first process is the end of the machine.
  hold();
  for (;;) {
    await whenHostConnected(port);
    // A copy for each session: the port itself is never closed.
    const reason = await sessions.run(ownStream(dupAbove(port, 0)));
    log.info("the session with the host is over", { reason: reason.message });
  }
}

async function runProcess(channelFd: number): Promise<void> {
  const log = agentLog("info");
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
    modules: noModules,
    notices: new Notices(log),
    ownsKernel: false,
    hierarchy: new Hierarchy(),
    deviceFilters: new DeviceFilters(),
    channel: sessions,
    ports: sessions,
    storages: new Storages({ modules: noModules, ownsKernel: false, log, hostRoot }),
    sandbox: new Sandbox(),
    bootMarks: new BootMarks(),
    bootRest: new BootRest(),
    pipeSizeBytes: defaultPipeSizeBytes,
    missingController: "tell",
  };
  prepareForChildren();
  prepareHierarchy(agent);
  begin(agent, sessions);
  // The other end belongs to one host, which is gone then.
  await sessions.run(ownStream(channelFd));
  exit(0);
}

/** What both do once they stand on their own. */
function begin(agent: Agent, sessions: Sessions): void {
  const { log } = agent;
  onUncaught((error, origin) => log.error("internal error", { origin, error: describeFailure(error) }));
  limitMemory(mostMemoryBytes, leastMemoryBytes);
  sessions.serve(agentPort, agentPortHandler(agentServices(agent), log));
}

/** Before the first child is born. */
function prepareForChildren(): void {
  startReaper();
  raiseDescriptorLimit();
  // Its forks carry its memory into containers until they execute something else: nobody there may look at it.
  prctl(PR_SET_DUMPABLE, 0);
}

function prepareHierarchy({ hierarchy, log }: Agent): void {
  const missing = hierarchy.prepare();
  if (missing.length > 0) log.warn("containers cannot be limited by all controllers", { missing });
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
