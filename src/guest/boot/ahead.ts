/**
 * What the agent of a template does before its first request, so that no clone has to do it again. It is what most
 * containers need, and contains no secrets.
 */
import { readdir } from "../../sys/linux/directory.ts";
import { collectGarbage } from "../../sys/linux/machine.ts";
import { takeOwnPages } from "../../sys/linux/own-pages.ts";
import { writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError, messageOf } from "../../util/errors.ts";
import type { Agent } from "../agent.ts";
import { deviceLimits } from "../cgroup/device-limits.ts";
import { ReadyProcess } from "../container/ready-process.ts";
import type { AheadLayers, KernelParameters } from "../kernel-parameters.ts";
import { readDeviceRules } from "../spec/device-rules.ts";
import { Fields } from "../spec/fields.ts";
import { diskFinder } from "../storage/ready-storages.ts";

/** The device rules of containers for which neither engine nor user asks for anything special. */
const usualResources = { devices: [{ allow: false, access: "rwm" }] };

/**
 * What the agent's JavaScript allocates for a container, times two. Garbage collection in the middle of a create would
 * delay each clone.
 */
const containerBytes = 512 * 1024;

type Wish = Pick<KernelParameters, "ahead" | "aheadLayers">;

/** A failure is only logged: the request that needs the missing part fails with the reason. */
export async function workAhead(agent: Agent, { ahead, aheadLayers }: Wish): Promise<void> {
  const { modules, sandbox, hierarchy, deviceFilters, readyProcess, pipeSizeBytes, log } = agent;
  for (const name of ahead) modules.need(name);
  try {
    sandbox.makeNamespaces();
    const limits = deviceLimits(readDeviceRules(new Fields(usualResources, "linux.resources")));
    deviceFilters.prepare(limits);
    const cgroup = hierarchy.makeReady();
    deviceFilters.limitAhead(cgroup, limits);
    if (aheadLayers !== undefined) await mountLayers(agent, aheadLayers);
    readyProcess.offer(await ReadyProcess.bear(cgroup, pipeSizeBytes, new AbortController().signal));
    await readUsualParts();
    leaveOrderToHost();
    collectGarbage(containerBytes);
    takeOwnPages();
  } catch (error) {
    log.warn("preparing for the first container failed", { error: messageOf(error) });
  }
}

/** The parts of the agent that create containers with a terminal, hooks or a user namespace. */
async function readUsualParts(): Promise<void> {
  await import("../rpc/specified-container.ts");
  await import("../rpc/specified-process.ts");
  await import("../child/container-init.ts");
  await import("../child/exec-init.ts");
}

/** Mounts the layers for the first container. */
async function mountLayers({ modules, storages }: Agent, { lower, upper }: AheadLayers): Promise<void> {
  const { awaitDisk, rememberDisks } = await diskFinder();
  const { ReadyLayers } = await import("../storage/ready-layers.ts");
  const node = async (disk: string): Promise<string> =>
    (await awaitDisk(disk, "blk", modules, new AbortController().signal)).node;
  const [lowerNode, upperNode] = [await node(lower), await node(upper)];
  rememberDisks();
  storages.useReady(ReadyLayers.mount(storages.context, lowerNode, upperNode));
}

const blockDevices = "/sys/block";

/**
 * Turns off the guest's I/O scheduling: the host schedules the requests and knows how busy its disks are. Scheduling in
 * the guest too costs half as much code again for each request.
 */
function leaveOrderToHost(): void {
  for (const { name } of readdir(blockDevices)) {
    setQueue(name, "scheduler", "none");
    setQueue(name, "wbt_lat_usec", "0");
  }
}

/** Not every kernel has each of these files. */
function setQueue(device: string, key: string, value: string): void {
  try {
    writeKernelFile(`${blockDevices}/${device}/queue/${key}`, value);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
