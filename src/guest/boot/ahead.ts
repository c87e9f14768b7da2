/**
 * What an agent does before anybody has asked for it, in a machine that others will go on from: each of them is spared it.
 * It is what most containers need, whosever they are, and nothing of it is secret.
 */
import { mountFileSystem } from "../../sys/linux/detached-mount.ts";
import { readdir } from "../../sys/linux/directory.ts";
import { collectGarbage, sync } from "../../sys/linux/machine.ts";
import { takeOwnPages } from "../../sys/linux/own-pages.ts";
import { writeKernelFile } from "../../sys/linux/whole-file.ts";
import { isSystemError, messageOf } from "../../util/errors.ts";
import type { Agent } from "../agent.ts";
import { deviceLimits } from "../cgroup/device-limits.ts";
import type { KernelParameters } from "../kernel-parameters.ts";
import { readDeviceRules } from "../spec/device-rules.ts";
import { Fields } from "../spec/fields.ts";
import { diskFinder } from "../storage/ready-storages.ts";

/** What engines and people say about devices when they say nothing else. */
const usualResources = { devices: [{ allow: false, access: "rwm" }] };

/** What the agent's JavaScript takes for a container, twice: looking for garbage in the middle would be in each clone's way. */
const containerBytes = 512 * 1024;

type Wish = Pick<KernelParameters, "ahead" | "aheadDisk">;

/** What cannot be done is left to who needs it, and will hear why. */
export async function workAhead(agent: Agent, { ahead, aheadDisk }: Wish): Promise<void> {
  const { modules, sandbox, hierarchy, deviceFilters, log } = agent;
  for (const name of ahead) modules.need(name);
  try {
    sandbox.makeNamespaces();
    const limits = deviceLimits(readDeviceRules(new Fields(usualResources, "linux.resources")));
    deviceFilters.prepare(limits);
    deviceFilters.limitAhead(hierarchy.makeReady(), limits);
    if (aheadDisk !== undefined) await openDisk(agent, aheadDisk);
    await readUsualParts();
    leaveOrderToHost();
    collectGarbage(containerBytes);
    takeOwnPages();
  } catch (error) {
    log.warn("preparing for the first container failed", { error: messageOf(error) });
  }
}

/** Of the agent: what makes the containers that have a terminal, hooks or a user namespace. */
async function readUsualParts(): Promise<void> {
  await import("../rpc/specified-container.ts");
  await import("../rpc/specified-process.ts");
  await import("../child/container-init.ts");
  await import("../child/exec-init.ts");
}

/**
 * A file system that the kernel has open is mounted by a fraction of what opening it takes. Nobody sees this mount, which
 * stays: it is in no directory. What it wrote is on the disk before anybody copies that.
 */
async function openDisk({ modules }: Agent, disk: string): Promise<void> {
  const { awaitDisk, rememberDisks } = await diskFinder();
  const { node } = await awaitDisk(disk, "blk", modules, new AbortController().signal);
  rememberDisks();
  mountFileSystem("ext4", node, [{ key: "noinit_itable", value: undefined }], 0);
  sync();
}

const blockDevices = "/sys/block";

/**
 * The host orders what disks are asked for, and sees how busy they are. A guest's kernel that does so too takes half as much
 * again of its own code for each request.
 */
function leaveOrderToHost(): void {
  for (const { name } of readdir(blockDevices)) {
    setQueue(name, "scheduler", "none");
    setQueue(name, "wbt_lat_usec", "0");
  }
}

/** Not every kernel has each of these. */
function setQueue(device: string, key: string, value: string): void {
  try {
    writeKernelFile(`${blockDevices}/${device}/queue/${key}`, value);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
