/**
 * Swap for the guest, on files of the host (`enable_guest_swap`). Its size is what containers with a swappiness ask for
 * in addition to memory. Swap only grows: each increase is another file, in the directory of the containers' upper
 * layers.
 */
import { hypervisorConfigOf } from "../config/config.ts";
import type { MachinePlug } from "../hypervisor/plug.ts";
import type { OciResources } from "../oci/spec.ts";
import { runTool } from "../storage/host-tool.ts";
import { ensureLayerDirectory } from "../storage/layer-directory.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import { joinPath } from "../util/path.ts";
import type { Sandbox } from "./sandbox.ts";

const mib = 1024 * 1024;
const pageBytes = 4096;
/** The minimum that mkswap accepts. */
const leastPages = 10;
/** The kernel's value for "no limit" is close to 2^63. */
const noLimitBytes = 2 ** 62;
const toolTimeoutMs = 30_000;
const callTimeoutMs = 60_000;

/** A container without a memory limit gets as much swap as the VM has memory without any container. */
export function swapBytesOf(baseMiB: number, containers: readonly OciResources[]): number {
  let bytes = 0;
  let hasUnlimited = false;
  for (const { memory } of containers) {
    if ((memory?.swappiness ?? 0) <= 0) continue;
    const [limit, swap] = [limited(memory?.limit), limited(memory?.swap)];
    if (swap > 0) bytes += Math.max(0, swap - limit);
    else if (limit > 0) bytes += limit;
    else hasUnlimited = true;
  }
  return bytes + (hasUnlimited ? baseMiB * mib : 0);
}

function limited(bytes = 0): number {
  return bytes > 0 && bytes < noLimitBytes ? bytes : 0;
}

/**
 * Adds swap for the containers that are alive. Call in a turn of the sandbox's size changes.
 *
 * @throws KumiteError `storage/failed`, `hypervisor/plug-failed`, `agent/failed` and others
 */
export async function growSwap(
  sandbox: Sandbox,
  containers: readonly OciResources[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { os, config, log, id } = sandbox.host;
  const machine = hypervisorConfigOf(config);
  const missing = swapBytesOf(machine.memoryMiB, containers) - sandbox.swap.bytes;
  const { vm } = sandbox.running();
  const { plug } = vm.machine;
  const journal = sandbox.resources?.journal;
  if (!machine.memory.guestSwap || missing <= 0 || journal === undefined) return;
  if (plug === undefined) {
    log.warn("no disk can be added to this VM, so its guest gets no swap", { phase: "resize" });
    return;
  }
  const name = `swap${sandbox.swap.files}`;
  // The file of a failed attempt keeps its name until the sandbox ends.
  sandbox.swap = { ...sandbox.swap, files: sandbox.swap.files + 1 };
  const directory = config.runtime.rootfsImages.upperDirectory;
  const path = joinPath(directory, `${id}-${name}`);
  const pages = Math.max(leastPages, Math.ceil(missing / pageBytes));
  await ensureLayerDirectory(os, directory);
  await journal.record({ kind: "file", path });
  await os.files.write(path, "", { exclusive: true });
  // One page more, for the header that mkswap writes.
  await os.files.resize(path, (pages + 1) * pageBytes);
  await runTool(os, { tool: "mkswap", package: "util-linux", args: [path], timeoutMs: toolTimeoutMs, signal });
  await switchOn(sandbox, plug, { id: name, path }, signal);
  sandbox.swap = { ...sandbox.swap, bytes: sandbox.swap.bytes + pages * pageBytes };
  log.info("the guest has more swap", { phase: "resize", bytes: sandbox.swap.bytes });
}

/**
 * Plugs the disk in as virtio-blk, whichever driver other disks use. It is unplugged again if the guest cannot use it.
 */
async function switchOn(
  sandbox: Sandbox,
  plug: MachinePlug,
  { id, path }: { readonly id: string; readonly path: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const device = await plug.addDisk({ id, path, bus: "virtio-blk", readOnly: false }, signal);
  try {
    const { address } = device;
    if (address.kind !== "pci") throw new KumiteError("internal", `disk ${id} has no PCI address`);
    const PCIPath = address.path.split("/").map((slot) => Number.parseInt(slot, 16));
    await sandbox.running().vm.agent.addSwap({ PCIPath }, { signal, timeoutMs: callTimeoutMs });
  } catch (error) {
    await device.remove().catch((failure: unknown) => {
      sandbox.host.log.warn(`disk ${id} stays in the VM until the VM ends: ${messageOf(failure)}`, { phase: "resize" });
    });
    throw error;
  }
}
