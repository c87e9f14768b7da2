/**
 * Identifies a template by everything that goes into its VM. Requests with the same key get clones of the same VM,
 * wherever its files are and whichever program asks.
 */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Os } from "../sys/os.ts";
import { sha256Hex } from "../util/sha256.ts";
import { ownFirmware } from "../vm/own-firmware.ts";
import { hasOwnKernel } from "../vm/vm-spec.ts";
import { fileHashes, identityOf } from "./file-hash.ts";
import type { MachineShape } from "./template-store.ts";

/** Increase when templates change, so that templates of other versions of this program are not used. */
const version = 5;
const keyLength = 16;

/**
 * @param scope only requests of one scope share a template; empty for the whole host
 * @throws KumiteError of `fileHashes`
 */
export async function templateKey(os: Os, config: Config, shape: MachineShape, scope: string): Promise<string> {
  const { agent, runtime } = config;
  // For these files the content counts and not the path. The VMM's path counts, too, because it determines where the
  // VMM finds firmware.
  const {
    kernel: _1,
    initrd: _2,
    image: _3,
    firmware: _4,
    firmwareVolume: _5,
    ...machine
  } = hypervisorConfigOf(config);
  const files = await partsOf(os, config);
  const names = Object.keys(files);
  const hashes = await fileHashes(os, config.factory.templatePath, Object.values(files));
  const content = Object.fromEntries(names.map((name, index) => [name, hashes[index]]));
  const { path: _agentPath, ...agentWay } = agent;
  const upperMiB = shape === "directory" ? 0 : runtime.rootfsImages.upperMiB;
  // It determines the VM's devices.
  const ownKernel = hasOwnKernel(config);
  const { hypervisor } = config;
  const parts = { version, scope, shape, upperMiB, hypervisor, content, ownKernel, machine, agent: agentWay };
  return sha256Hex(JSON.stringify(parts)).slice(0, keyLength);
}

/**
 * The VM's files with their metadata, as a text that changes when a file is replaced or written. Reads no contents.
 * @throws KumiteError `hypervisor/not-found` naming a missing file
 */
export async function machineFiles(os: Os, config: Config): Promise<string> {
  const paths = Object.values(await partsOf(os, config));
  return (await Promise.all(paths.map(async (path) => `${path} ${await identityOf(os, path)}`))).join("\n");
}

async function partsOf(os: Os, config: Config): Promise<Record<string, string>> {
  const { path, kernel, initrd, image, firmware, firmwareVolume } = hypervisorConfigOf(config);
  const parts = { vmm: path, kernel, initrd, image, firmware, firmwareVolume, ...(await ownFirmware(os, config)) };
  return Object.fromEntries(Object.entries(parts).filter((part): part is [string, string] => part[1] !== undefined));
}
